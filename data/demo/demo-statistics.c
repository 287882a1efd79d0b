/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-statistics.h"

#include <time.h>

/* How long the portal was busy at most: the processor time that its thread spent from the return
 * of one poll to the start of the next. That covers every source that was ready, so no single
 * dispatch took longer.
 *
 * A poll function has no user data, hence the variables. */
static GPollFunc original_poll;
static gint64    last_return = -1;
static gint64    longest_dispatch;

static gint64
get_thread_time (void)
{
  struct timespec now;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);

  return now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static int
timing_poll (GPollFD *fds,
             guint    n_fds,
             int      timeout)
{
  int n_ready;

  if (last_return >= 0)
    {
      const gint64 took = get_thread_time () - last_return;

      if (took > __atomic_load_n (&longest_dispatch, __ATOMIC_RELAXED))
        __atomic_store_n (&longest_dispatch, took, __ATOMIC_RELAXED);
    }

  n_ready = original_poll (fds, n_fds, timeout);
  last_return = get_thread_time ();

  return n_ready;
}

void
demo_statistics_watch (AtPortal *portal)
{
  GMainContext *context = at_portal_get_context (portal);

  original_poll = g_main_context_get_poll_func (context);
  g_main_context_set_poll_func (context, timing_poll);
}

/* In microseconds. */
gint64
demo_statistics_get_longest_dispatch (void)
{
  return __atomic_load_n (&longest_dispatch, __ATOMIC_RELAXED);
}

/* How many descriptors of this process lead into the folder. */
guint
demo_statistics_count_open_files (const char *folder)
{
  g_autofree char *whole = g_canonicalize_filename (folder, NULL);
  g_autoptr (GDir) descriptors = g_dir_open ("/proc/self/fd", 0, NULL);
  const char      *name;
  guint            n_open = 0;

  while (descriptors && (name = g_dir_read_name (descriptors)))
    {
      g_autofree char *link = g_build_filename ("/proc/self/fd", name, NULL);
      g_autofree char *target = g_file_read_link (link, NULL);

      n_open += target && g_str_has_prefix (target, whole);
    }

  return n_open;
}
