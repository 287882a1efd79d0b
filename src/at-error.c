/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

/* G_DEFINE_QUARK () would keep the quark in an integer that any thread reads and writes without an
 * atomic. */
GQuark
at_error_quark (void)
{
  return g_quark_from_static_string ("at-error-quark");
}
