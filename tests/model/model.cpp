/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model.hpp"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Runs the checks, or proves that they notice faults, and reports in TAP:
 *
 *   model checks [GROUP/NAME]       every check, in random order and in bounded search
 *   model mutations [WORD]          every mutation has to be noticed
 *   model orders [FUNCTION]         every weaker memory order has to be noticed, or explained
 *
 *   --iterations=N   random interleavings per check
 *   --seed=N         where the random ones start
 *   --history        of what was noticed, step by step
 */

namespace model
{

Place *Place::first;
Kernel *Kernel::current;
const Mutation *current_mutation;

static const Group *const groups[] = {
  &inbox_group,
  &completion_group,
  &scope_group,
  &handover_group,
};

static rl::iteration_t n_iterations = 200000;
static rl::iteration_t seed = 1;
static bool wants_history;
static const char *wanted;

static int n_tests;
static bool has_failed;

static bool
is_wanted (const char *name)
{
  return wanted == NULL || strstr (name, wanted) != NULL;
}

static void
report (bool is_ok, const char *description)
{
  printf ("%s %d - %s\n", is_ok ? "ok" : "not ok", ++n_tests, description);
  fflush (stdout);
  has_failed = has_failed || !is_ok;
}

#define MAX_LINES 400

static void
print_comment (const char *text)
{
  for (int i = 0; *text != '\0' && i < MAX_LINES; i++)
    {
      int length = (int) strcspn (text, "\n");

      printf ("# %.*s\n", length, text);
      text += length + (text[length] == '\n');
    }
}

/* Returns the number of interleavings up to the end or the fault. */
static rl::iteration_t
run (const Check *check, rl::scheduler_type_e search, rl::iteration_t n_tried, bool with_history,
     rl::test_result_e *result)
{
  std::ostream nowhere (NULL);
  rl::ostringstream history, state;
  rl::test_params params;

  params.search_type = search;
  params.context_bound = check->preemptions;
  params.iteration_count = seed + n_tried - 1;
  params.output_stream = &history;
  params.progress_stream = &nowhere;
  if (search == rl::sched_random)
    {
      rl::ostringstream start;

      start << seed;
      params.initial_state = start.str ();
    }

  *result = check->simulate (params, state);

  if (*result != rl::test_result_success && with_history)
    {
      rl::ostringstream ignored;

      params.initial_state = state.str ();
      params.collect_history = true;
      check->simulate (params, ignored);
      print_comment (history.str ().c_str ());
    }

  return params.stop_iteration - (search == rl::sched_random ? seed - 1 : 0);
}

static void
run_checks ()
{
  for (const Group *group : groups)
    for (const Check *check = group->checks; check->name != NULL; check++)
      for (rl::scheduler_type_e search : { rl::sched_random, rl::sched_bound })
        {
          char name[64], text[256];
          rl::test_result_e result;
          unsigned long n;

          snprintf (name, sizeof name, "%s/%s", group->name, check->name);
          if (!is_wanted (name))
            continue;

          n = run (check, search, n_iterations, true, &result);
          if (result != rl::test_result_success)
            snprintf (text, sizeof text, "%s: %s, interleaving %lu", name,
                      rl::test_result_str (result), n);
          else if (search == rl::sched_random)
            snprintf (text, sizeof text, "%s: %s; %lu random interleavings", name, check->claim, n);
          else
            snprintf (text, sizeof text, "%s: all %lu interleavings with up to %u preemptions",
                      name, n, check->preemptions);
          report (result == rl::test_result_success, text);
        }
}

/* Whether one of a group's checks notices within n interleavings, or of those that are used. */
static bool
is_noticed_within (rl::iteration_t n_tried, const Group *only, const bool *used, char *text,
                   size_t size)
{
  int i = 0;

  for (const Group *group : groups)
    for (const Check *check = group->checks; check->name != NULL; check++, i++)
      {
        rl::test_result_e result;
        unsigned long n;

        if (only != NULL ? group != only : !used[i])
          continue;

        n = run (check, rl::sched_random, n_tried, wants_history, &result);
        if (result != rl::test_result_success)
          {
            snprintf (text, size, "%s/%s, interleaving %lu: %s", group->name, check->name, n,
                      rl::test_result_str (result));
            return true;
          }
      }

  snprintf (text, size, "nobody noticed");
  return false;
}

/* Most faults show up soon, but not in each check. */
static bool
is_noticed (const Group *only, const bool *used, char *text, size_t size)
{
  return is_noticed_within (n_iterations / 100, only, used, text, size) ||
         is_noticed_within (n_iterations, only, used, text, size);
}

static bool
is_at (const Place *place, const char *function, const char *operation)
{
  return strcmp (place->function, function) == 0 && strcmp (place->operation, operation) == 0;
}

/* A function of a header has a place of its own in each file that includes it. */
static bool
is_same (const Place *one, const Place *other)
{
  return one->line == other->line && is_at (one, other->function, other->operation);
}

/* Makes the places known, by a run. */
static void
visit (const Check *check)
{
  rl::test_result_e result;

  run (check, rl::sched_random, 2000, false, &result);
}

static void
run_mutations ()
{
  for (const Group *group : groups)
    {
      for (const Check *check = group->checks; check->name != NULL; check++)
        visit (check);

      for (const Mutation *mutation = group->mutations; mutation->change != NULL; mutation++)
        {
          char how[128], text[256];
          bool noticed, is_present = mutation->function == NULL;

          if (!is_wanted (mutation->change))
            continue;

          current_mutation = mutation;
          for (Place *place = Place::first; place != NULL; place = place->next)
            if (mutation->function != NULL &&
                is_at (place, mutation->function, mutation->operation))
              place->is_dropped = is_present = true;

          noticed = is_noticed (group, NULL, how, sizeof how);
          snprintf (text, sizeof text, "%s (%s)", mutation->change,
                    is_present ? how : "there is no such operation any more");
          report (noticed && is_present, text);

          current_mutation = NULL;
          for (Place *place = Place::first; place != NULL; place = place->next)
            place->is_dropped = false;
        }
    }
}

#define MAX_CHECKS 32

static const Spare *
find_spare (const Place *place, rl::memory_order order)
{
  for (const Group *group : groups)
    for (const Spare *spare = group->spares; spare->function != NULL; spare++)
      if (is_at (place, spare->function, spare->operation) && spare->enough == order)
        return spare;

  return NULL;
}

static void
set_order (const Place *place, rl::memory_order order)
{
  for (Place *other = Place::first; other != NULL; other = other->next)
    if (is_same (place, other))
      other->order = order;
}

static void
try_weaker (const Place *place, rl::memory_order order, const bool *used)
{
  bool is_load = strcmp (place->operation, "load") == 0;
  bool is_store = strcmp (place->operation, "store") == 0;
  rl::memory_order weaker[2];
  int n_weaker = 0;

  if (order == rl::mo_seq_cst)
    {
      weaker[n_weaker++] = is_load ? rl::mo_acquire : is_store ? rl::mo_release : rl::mo_acq_rel;
    }
  else if (order == rl::mo_acq_rel)
    {
      weaker[n_weaker++] = rl::mo_acquire;
      weaker[n_weaker++] = rl::mo_release;
    }
  else if (order != rl::mo_relaxed)
    {
      weaker[n_weaker++] = rl::mo_relaxed;
    }

  for (int i = 0; i < n_weaker; i++)
    {
      const Spare *spare = find_spare (place, weaker[i]);
      char how[128], text[512];
      bool noticed;

      set_order (place, weaker[i]);
      noticed = is_noticed (NULL, used, how, sizeof how);
      set_order (place, place->written);

      snprintf (text, sizeof text, "%s, line %d: %s %s instead of %s (%s)", place->function,
                place->line, place->operation, rl::format (weaker[i]), rl::format (place->written),
                noticed ? how : spare != NULL ? spare->reason : how);
      report (noticed != (spare != NULL), text);

      if (!noticed)
        try_weaker (place, weaker[i], used);
    }
}

static void
run_orders ()
{
  static bool used_by[256][MAX_CHECKS];
  static const Place *places[256];
  int n_places = 0, i = 0;

  for (const Group *group : groups)
    for (const Check *check = group->checks; check->name != NULL; check++, i++)
      {
        for (Place *place = Place::first; place != NULL; place = place->next)
          place->n_uses = 0;

        visit (check);

        for (Place *place = Place::first; place != NULL; place = place->next)
          {
            int which = 0;

            if (place->n_uses == 0)
              continue;
            while (which < n_places && !is_same (places[which], place))
              which++;
            if (which == n_places)
              places[n_places++] = place;
            used_by[which][i] = true;
          }
      }

  for (int which = 0; which < n_places; which++)
    if (is_wanted (places[which]->function))
      try_weaker (places[which], places[which]->written, used_by[which]);
}

}

int
main (int argc, char **argv)
{
  const char *what = argc > 1 ? argv[1] : "";

  for (int i = 2; i < argc; i++)
    {
      if (strncmp (argv[i], "--iterations=", 13) == 0)
        model::n_iterations = strtoul (argv[i] + 13, NULL, 10);
      else if (strncmp (argv[i], "--seed=", 7) == 0)
        model::seed = strtoul (argv[i] + 7, NULL, 10);
      else if (strcmp (argv[i], "--history") == 0)
        model::wants_history = true;
      else
        model::wanted = argv[i];
    }

  if (strcmp (what, "checks") == 0)
    model::run_checks ();
  else if (strcmp (what, "mutations") == 0)
    model::run_mutations ();
  else if (strcmp (what, "orders") == 0)
    model::run_orders ();
  else
    {
      fprintf (stderr,
               "Usage: %s checks|mutations|orders [--iterations=N] [--seed=N] [--history] [NAME]\n",
               argv[0]);
      return 2;
    }

  printf ("1..%d\n", model::n_tests);

  return model::has_failed || model::n_tests == 0;
}
