/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-waiter-private.h"

/* Answering tasks on their contexts, never inside the call that granted them something.
 *
 * g_task_return () alone would do, and was rejected for two reasons. On the task's own context it
 * may call back inside the call, so that releasing a lock runs the next holder, and a chain of
 * holders is a chain of stack frames. From elsewhere it attaches one idle source per task, and
 * 100 000 waiters that are cancelled at once are 100 000 sources that every iteration looks at.
 *
 * So a context with answers to give has one source, made with the first and gone with the last.
 * Inside its dispatch g_task_return () completes at once. Unfinished answers are kept in the
 * source, and it may recurse, so a callback that runs a nested loop does not hold up the others.
 */

typedef struct
{
  GSource source;

  GMainContext *context; /* not referenced: the tasks are what keeps it alive */

  /*< protected by deliveries_lock >*/
  AtWaiter *first;
  AtWaiter *last;
  guint     length;
} AtDelivery;

/* Taken alone. */
static GMutex deliveries_lock;

/*< protected by deliveries_lock >*/
static GHashTable *deliveries; /* GMainContext to AtDelivery, neither referenced */

static gboolean
at_delivery_dispatch (GSource    *source,
                      GSourceFunc callback,
                      gpointer    user_data)
{
  AtDelivery *self = (AtDelivery *) source;
  gboolean empty;
  guint n;

  g_mutex_lock (&deliveries_lock);

  /* What is added meanwhile waits for the next iteration, so that other sources have their turn. */
  for (n = self->length; n > 0 && self->first != NULL; n--)
    {
      AtWaiter *waiter = self->first;

      self->first = waiter->next_delivery;
      self->length--;

      g_mutex_unlock (&deliveries_lock);
      at_waiter_answer (waiter);
      g_mutex_lock (&deliveries_lock);
    }

  empty = self->first == NULL;
  /* A nested iteration may have emptied this source, and another be in its place by now. */
  if (empty && g_hash_table_lookup (deliveries, self->context) == self)
    g_hash_table_remove (deliveries, self->context);

  g_mutex_unlock (&deliveries_lock);

  return empty ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static GSourceFuncs delivery_funcs = {
  .dispatch = at_delivery_dispatch,
};

void
at_waiter_deliver (AtWaiter *waiter)
{
  GMainContext *context = g_task_get_context (waiter->task);
  GSource *source = NULL;
  AtDelivery *self;

  waiter->next_delivery = NULL;

  g_mutex_lock (&deliveries_lock);

  if (deliveries == NULL)
    deliveries = g_hash_table_new (NULL, NULL);

  self = g_hash_table_lookup (deliveries, context);
  if (self == NULL)
    {
      source = g_source_new (&delivery_funcs, sizeof (AtDelivery));
      g_source_set_static_name (source, "at-delivery");
      g_source_set_ready_time (source, 0);
      g_source_set_can_recurse (source, TRUE);

      self = (AtDelivery *) source;
      self->context = context;
      g_hash_table_insert (deliveries, context, self);
    }

  if (self->first != NULL)
    self->last->next_delivery = waiter;
  else
    self->first = waiter;

  self->last = waiter;
  self->length++;

  /* Attached under the lock: nobody else may find it in the table and expect it to run. Let go of
   * under the lock too: g_source_unref () locks the context, which may end with its last task. */
  if (source != NULL)
    g_source_attach (source, context);
  g_clear_pointer (&source, g_source_unref);

  g_mutex_unlock (&deliveries_lock);
}
