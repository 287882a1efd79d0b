/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-types.h"

G_BEGIN_DECLS

typedef struct _AtRuntime AtRuntime;

/* What the library knows about a thread: which portals are its own, and for whom it waits.
 * A portal's runtime holds a reference on its owner, so comparing pointers is safe. */
typedef struct _AtThread AtThread;

AtThread *at_thread_self  (void);                 /* (transfer none), made on first use */
AtThread *at_thread_ref   (AtThread *thread);
void      at_thread_unref (AtThread *thread);

/* May this thread block until somebody else acts, without knowing who (a primitive, a stream)?
 * FALSE with AT_ERROR_WRONG_THREAD on a portal's own thread. operation completes the sentence
 * "… would block the thread of portal “io”". */
gboolean at_thread_may_block (const char *operation,
                              GError    **error);

/* The same for waiting for a given portal: allowed on another portal's thread, unless that closes
 * a cycle. After TRUE, at_thread_end_wait () must follow. */
gboolean at_thread_begin_wait (AtRuntime  *target,
                               const char *operation,
                               GError    **error);
void     at_thread_end_wait   (void);

G_END_DECLS
