/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One deliberate fault at a time, for must-report.sh: a gate that does not report it proves
 * nothing about the rest of the tests. */

#include <glib.h>

static volatile int shared;
static gpointer volatile sink;

static gpointer
count (gpointer data)
{
  for (int i = 0; i < 1000; i++)
    shared = shared + 1;

  return NULL;
}

static void
race (void)
{
  GThread *thread = g_thread_new ("race", count, NULL);

  count (NULL);
  g_thread_join (thread);
}

static void
leak (void)
{
  sink = g_strdup ("never freed");
  sink = NULL;
}

static void
use_after_free (void)
{
  char *text = g_strdup ("freed too early");

  sink = text;
  g_free (text);

  shared = *(volatile char *) sink;
}

static void
undefined_shift (void)
{
  volatile int bits = 32;

  shared = 1 << bits;
}

static void
uninitialised (void)
{
  int *volatile value = g_malloc (sizeof (int));

  if (*value == 42)
    g_print ("42\n");
  g_free (value);
}

int
main (int    argc,
      char **argv)
{
  const char *fault = argc > 1 ? argv[1] : "";

  if (g_str_equal (fault, "race"))
    race ();
  else if (g_str_equal (fault, "leak"))
    leak ();
  else if (g_str_equal (fault, "use-after-free"))
    use_after_free ();
  else if (g_str_equal (fault, "undefined-shift"))
    undefined_shift ();
  else if (g_str_equal (fault, "uninitialised"))
    uninitialised ();
  else
    g_error ("Unknown fault: “%s”", fault);

  return 0;
}
