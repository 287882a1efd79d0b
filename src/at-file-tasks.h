/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-stream.h"
#include "at-types.h"

G_BEGIN_DECLS

AT_AVAILABLE_IN_ALL
AtFuture *at_file_checksum (AtPortal            *portal,
                            GFile               *file,
                            GChecksumType        checksum_type,
                            AtSendStream        *progress,
                            GCancellable        *cancellable) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtFuture *at_file_walk     (AtPortal            *portal,
                            GFile               *folder,
                            const char          *attributes,
                            GFileQueryInfoFlags  flags,
                            const char * const  *excluded_names,
                            AtSendStream        *entries,
                            GCancellable        *cancellable) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
