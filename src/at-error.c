/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

G_DEFINE_QUARK (at-error-quark, at_error)
