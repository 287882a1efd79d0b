/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

/**
 * AtManaged:
 *
 * A state that has something to end before its application does: a connection to close, a file to
 * write.
 *
 * An [class@At.Manager] asks for that when it is shut down. A state without it is just let go.
 *
 * Since: 0.1
 */
G_DEFINE_INTERFACE (AtManaged, at_managed, G_TYPE_OBJECT)

static void
at_managed_default_init (AtManagedInterface *iface)
{
}

/**
 * at_managed_shut_down_async: (virtual shut_down_async)
 * @self: a state
 * @cancellable: (nullable): stops waiting for an orderly end
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Ends what the state has under way. Answers on the caller's thread-default main context.
 *
 * Since: 0.1
 */
void
at_managed_shut_down_async (AtManaged *self,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_return_if_fail (AT_IS_MANAGED (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  AT_MANAGED_GET_IFACE (self)->shut_down_async (self, cancellable, callback, user_data);
}

/**
 * at_managed_shut_down_finish: (virtual shut_down_finish)
 * @self: a state
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Managed.shut_down_async].
 *
 * Returns: %TRUE if it ended in order
 *
 * Since: 0.1
 */
gboolean
at_managed_shut_down_finish (AtManaged *self,
                             GAsyncResult *result,
                             GError **error)
{
  g_return_val_if_fail (AT_IS_MANAGED (self), FALSE);
  g_return_val_if_fail (G_IS_ASYNC_RESULT (result), FALSE);

  return AT_MANAGED_GET_IFACE (self)->shut_down_finish (self, result, error);
}
