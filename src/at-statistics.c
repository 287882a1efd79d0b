/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

G_DEFINE_BOXED_TYPE (AtStatistics, at_statistics, at_statistics_copy, at_statistics_free)

/**
 * at_statistics_copy:
 * @self: the statistics
 *
 * Copies the statistics.
 *
 * Returns: (transfer full): a copy, to be freed with [method@At.Statistics.free]
 *
 * Since: 0.1
 */
AtStatistics *
at_statistics_copy (const AtStatistics *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return g_memdup2 (self, sizeof *self);
}

/**
 * at_statistics_free:
 * @self: (transfer full) (nullable): the statistics
 *
 * Frees the statistics.
 *
 * Since: 0.1
 */
void
at_statistics_free (AtStatistics *self)
{
  g_free (self);
}
