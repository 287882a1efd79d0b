/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stress.h"

/* Task groups on one portal: every thread spawns children that succeed, fail, sleep, or spawn
 * siblings, and cancels or closes a group now and then. When a wait has returned, every child has
 * ended and its data was destroyed; the error is that of a child that failed; what was spawned into
 * a closed group never ran. */

#define N_GROUPS 20

typedef struct
{
  AtTaskGroup *group;
  int          n_spawned;
  int          n_refused;
  int          n_run;
  int          n_ended; /* destroyed */
  int          n_failed;
} Family;

typedef struct
{
  Family *family;
  guint   kind;
  guint   n_siblings;
} Child;

static void spawn_child (Family *family,
                         guint   kind,
                         guint   n_siblings);

static void
child_destroy (gpointer data)
{
  Child *child = data;

  g_atomic_int_inc (&child->family->n_ended);
  g_free (child);
}

static void
on_child_slept (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (at_sleep_finish (result, &error))
    g_task_return_value (task, NULL);
  else
    g_task_return_error (task, error);
}

static void
child_run (GTask   *task,
           gpointer user_data)
{
  Child *child = user_data;
  Family *family = child->family;

  g_atomic_int_inc (&family->n_run);
  progress ();

  if (child->n_siblings > 0)
    spawn_child (family, child->kind + 1, child->n_siblings - 1);

  switch (child->kind % 16)
    {
    case 0:
      g_atomic_int_inc (&family->n_failed);
      g_task_return_new_error (task, AT_ERROR, AT_ERROR_GONE, "failed");
      break;

    case 1:
      at_cancel_scope_set_shield (AT_CANCEL_SCOPE (g_task_get_cancellable (task)), TRUE);
      G_GNUC_FALLTHROUGH;
    case 2:
    case 3:
      at_sleep_async (child->kind % 700, g_task_get_cancellable (task), on_child_slept,
                      g_object_ref (task));
      break;

    default:
      g_task_return_value (task, NULL);
      break;
    }
}

static void
spawn_child (Family *family,
             guint   kind,
             guint   n_siblings)
{
  g_autoptr (AtFuture) future = NULL;
  Child *child = g_new0 (Child, 1);

  child->family = family;
  child->kind = kind;
  child->n_siblings = n_siblings;
  g_atomic_int_inc (&family->n_spawned);

  future = at_task_group_spawn (family->group, child_run, child, child_destroy);
  if (at_future_get_state (future) == AT_FUTURE_STATE_FAILED)
    {
      g_autoptr (GError) error = NULL;

      at_future_get_value (future, &error);
      if (g_error_matches (error, AT_ERROR, AT_ERROR_CLOSED))
        g_atomic_int_inc (&family->n_refused);
    }
}

static void
work_with_groups (Worker *worker)
{
  Family *families = worker->data;

  for (guint i = 0; i < N_GROUPS; i++)
    {
      Family *family = &families[i];

      for (guint n = dice (worker, 20); n > 0; n--)
        spawn_child (family, 1 + dice (worker, 4000), dice (worker, 3));

      switch (dice (worker, 16))
        {
        case 0:
          at_task_group_cancel (family->group, "for the stress");
          break;

        case 1:
          at_task_group_close (family->group);
          break;

        case 2:
        case 3:
          {
            g_autoptr (GCancellable) cancellable = make_cancellable (worker);

            at_task_group_wait (family->group, cancellable, NULL);
          }
          break;

        default:
          cancel_somebody (worker);
          break;
        }
    }
}

void
stress_task_group (void)
{
  AtPortal *portal = start_portal ();

  while (!time_is_over ())
    {
      g_autofree Family *families = g_new0 (Family, N_GROUPS);

      for (guint i = 0; i < N_GROUPS; i++)
        families[i].group = at_task_group_new (portal, NULL);

      run_workers (work_with_groups, families);

      for (guint i = 0; i < N_GROUPS; i++)
        {
          Family *family = &families[i];
          g_autoptr (GPtrArray) errors = NULL;
          g_autoptr (GError) error = NULL;

          if (at_task_group_wait (family->group, NULL, &error))
            g_assert_cmpint (family->n_failed, ==, 0);
          else
            g_assert_error (error, AT_ERROR, AT_ERROR_GONE);

          errors = at_task_group_get_errors (family->group);
          g_assert_cmpint ((int) errors->len, ==, family->n_failed);
          g_assert_cmpint (family->n_run, <=, family->n_spawned - family->n_refused);

          /* The data of the refused is destroyed on the portal too, but nobody waits for that. */
          while (g_atomic_int_get (&family->n_ended) < family->n_spawned)
            g_usleep (100);
          g_assert_cmpint (family->n_ended, ==, family->n_spawned);
          g_object_unref (family->group);
        }
    }

  stop_portal (portal);
}
