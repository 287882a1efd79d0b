/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The checksum of a file and the walk through a folder. Every test that reads files also wants
 * that none stays open. */

#include "test-common.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

static AtPortal *io;
static char *root; /* a folder of this test's own */

/* Files */

static char *
in_root (const char *name)
{
  return g_build_filename (root, name, NULL);
}

static GFile *
file_in_root (const char *name)
{
  g_autofree char *path = in_root (name);

  return g_file_new_for_path (path);
}

static void
make_file (const char *name,
           const void *content,
           gsize       size)
{
  g_autofree char *path = in_root (name);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, content, size, &error);
  g_assert_no_error (error);
}

static void
make_folder (const char *name)
{
  g_autofree char *path = in_root (name);

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
}

static void
make_link (const char *name,
           const char *target)
{
  g_autofree char *path = in_root (name);

  g_assert_cmpint (symlink (target, path), ==, 0);
}

static void
remove_tree (const char *path)
{
  const char *argv[] = { "rm", "-rf", "--", path, NULL };
  g_autoptr (GError) error = NULL;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                &error);
  g_assert_no_error (error);
}

static guint
count_open_files (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (folder) != NULL)
    n++;

  return n;
}

static void
with_root (void (*run) (void))
{
  g_autoptr (GError) error = NULL;
  guint n_open;

  root = g_dir_make_tmp ("at-file-XXXXXX", &error);
  g_assert_no_error (error);
  n_open = count_open_files ();

  run ();

  g_assert_cmpuint (count_open_files (), ==, n_open);
  remove_tree (root);
  g_clear_pointer (&root, g_free);
}

/* The checksum */

static void
assert_checksum (const char    *name,
                 GChecksumType  type,
                 const void    *content,
                 gsize          size)
{
  g_autofree char *expected = g_compute_checksum_for_data (type, content, size);
  g_autoptr (GFile) file = file_in_root (name);
  g_autoptr (AtFuture) future = at_file_checksum (io, file, type, NULL, NULL);
  g_autoptr (GError) error = NULL;
  const GValue *value;

  test_future_wait (future);
  value = at_future_get_value (future, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_value_get_string (value), ==, expected);
}

static void
run_checksums (void)
{
  const gsize sizes[] = { 0, 1, 65535, 65536, 65537, 5000000 };
  g_autofree char *content = g_malloc (5000000);

  for (gsize i = 0; i < 5000000; i++)
    content[i] = (char) (i * 31 >> 3);

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      make_file ("file", content, sizes[i]);
      assert_checksum ("file", G_CHECKSUM_MD5, content, sizes[i]);
      assert_checksum ("file", G_CHECKSUM_SHA1, content, sizes[i]);
      assert_checksum ("file", G_CHECKSUM_SHA256, content, sizes[i]);
      assert_checksum ("file", G_CHECKSUM_SHA384, content, sizes[i]);
      assert_checksum ("file", G_CHECKSUM_SHA512, content, sizes[i]);
    }

  make_link ("link", "file");
  assert_checksum ("link", G_CHECKSUM_SHA256, content, 5000000);
}

static void
test_checksum_is_the_one_of_the_content (void)
{
  with_root (run_checksums);
}

static void
run_progress (void)
{
  const gsize size = 1000000;
  g_autofree char *content = g_malloc0 (size);
  g_autoptr (GFile) file = file_in_root ("file");
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (AtFuture) future = NULL;
  g_autoptr (GError) error = NULL;
  const GValue *value;
  guint64 last = 0;

  make_file ("file", content, size);
  at_stream_new (1000, &send, &receive);
  future = at_file_checksum (io, file, G_CHECKSUM_SHA256, send, NULL);

  while ((value = at_receive_stream_receive_borrowed (receive, NULL, &error)) != NULL)
    {
      g_assert_cmpuint (g_value_get_uint64 (value), >, last);
      last = g_value_get_uint64 (value);
    }

  test_assert_error (error, AT_ERROR, AT_ERROR_END_OF_STREAM);
  g_assert_cmpuint (last, ==, size);
  test_future_wait (future);
  g_assert_nonnull (at_future_get_value (future, &error));
}

static void
test_progress_grows_to_the_size_and_ends (void)
{
  with_root (run_progress);
}

static void
run_full_progress (void)
{
  g_autofree char *content = g_malloc0 (1000000);
  g_autoptr (GFile) file = file_in_root ("file");
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (AtFuture) future = NULL;

  make_file ("file", content, 1000000);
  at_stream_new (0, &send, &receive);
  future = at_file_checksum (io, file, G_CHECKSUM_SHA256, send, NULL);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
}

static void
test_progress_that_nobody_takes_delays_nothing (void)
{
  with_root (run_full_progress);
}

static void
run_checksum_errors (void)
{
  g_autoptr (GFile) missing = file_in_root ("missing");
  g_autoptr (GFile) folder = file_in_root ("folder");
  g_autoptr (GFile) pipe_file = file_in_root ("pipe");
  g_autofree char *pipe_path = in_root ("pipe");

  make_folder ("folder");
  g_assert_cmpint (mkfifo (pipe_path, 0600), ==, 0);

  test_future_finish_error (at_file_checksum (io, missing, G_CHECKSUM_SHA256, NULL, NULL),
                            G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  test_future_finish_error (at_file_checksum (io, folder, G_CHECKSUM_SHA256, NULL, NULL),
                            G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY);
  test_future_finish_error (at_file_checksum (io, pipe_file, G_CHECKSUM_SHA256, NULL, NULL),
                            G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE);
}

static void
test_what_has_no_checksum_is_an_error (void)
{
  with_root (run_checksum_errors);
}

static void
run_cancelled_checksum (void)
{
  g_autofree char *path = in_root ("huge");
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  AtFuture *future;

  make_file ("huge", "", 0);
  g_assert_cmpint (truncate (path, G_GINT64_CONSTANT (1) << 36), ==, 0);

  at_stream_new (1, &send, &receive);
  future = at_file_checksum (io, file, G_CHECKSUM_SHA256, send, cancellable);
  g_assert_nonnull (at_receive_stream_receive_borrowed (receive, NULL, NULL));
  g_cancellable_cancel (cancellable);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_cancelled_checksum_closes_its_file (void)
{
  with_root (run_cancelled_checksum);
}

static void
test_stopped_portal_refuses_and_ends_the_streams (void)
{
  AtPortal *portal = test_portal_new ("stopped");
  g_autoptr (GFile) file = g_file_new_for_path ("/");
  g_autoptr (AtSendStream) progress = NULL;
  g_autoptr (AtSendStream) entries = NULL;
  g_autoptr (AtReceiveStream) receive_progress = NULL;
  g_autoptr (AtReceiveStream) receive_entries = NULL;
  g_autoptr (GError) error = NULL;

  at_stream_new (1, &progress, &receive_progress);
  at_stream_new (1, &entries, &receive_entries);
  at_portal_stop (portal, FALSE);
  at_portal_wait_stopped (portal, NULL, NULL);

  test_future_finish_error (at_file_checksum (portal, file, G_CHECKSUM_SHA256, progress, NULL),
                            AT_ERROR, AT_ERROR_NOT_RUNNING);
  test_future_finish_error (at_file_walk (portal, file, NULL, G_FILE_QUERY_INFO_NONE, NULL, entries,
                                          NULL),
                            AT_ERROR, AT_ERROR_NOT_RUNNING);

  g_assert_null (at_receive_stream_receive_borrowed (receive_progress, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_END_OF_STREAM);
  g_assert_null (at_receive_stream_receive_borrowed (receive_entries, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_END_OF_STREAM);
  g_assert_finalize_object (portal);
}

/* The walk */

typedef struct
{
  AtFuture *future;
  AtReceiveStream *entries;
} Walk;

static void
walk_start (Walk                *walk,
            const char          *folder,
            GFileQueryInfoFlags  flags,
            const char * const  *excluded_names,
            guint                capacity,
            GCancellable        *cancellable)
{
  g_autoptr (GFile) file = file_in_root (folder);
  g_autoptr (AtSendStream) send = NULL;

  at_stream_new (capacity, &send, &walk->entries);
  walk->future = at_file_walk (io, file, G_FILE_ATTRIBUTE_STANDARD_SIZE, flags, excluded_names,
                               send,
                               cancellable);
}

/* Returns the next entry, or NULL at the end. */
static AtFileEntry *
walk_next (Walk *walk)
{
  g_autoptr (GError) error = NULL;
  const GValue *value = at_receive_stream_receive_borrowed (walk->entries, NULL, &error);

  if (value != NULL)
    return g_value_dup_object (value);

  g_assert_error (error, AT_ERROR, (int) AT_ERROR_END_OF_STREAM);

  return NULL;
}

static int
compare_strings (gconstpointer a,
                 gconstpointer b)
{
  return strcmp (*(char * const *) a, *(char * const *) b);
}

/* The paths of what is left, relative to the root and sorted; "!" leads those with an error. */
static char **
walk_read (Walk *walk)
{
  g_autoptr (GFile) root_file = g_file_new_for_path (root);
  GPtrArray *names = g_ptr_array_new ();
  AtFileEntry *entry;

  while ((entry = walk_next (walk)) != NULL)
    {
      g_autofree char *name = g_file_get_relative_path (root_file, at_file_entry_get_file (entry));

      if (at_file_entry_get_error (entry) != NULL)
        g_ptr_array_add (names, g_strconcat ("!", name, NULL));
      else
        g_ptr_array_add (names, g_steal_pointer (&name));
      g_object_unref (entry);
    }

  g_ptr_array_sort (names, compare_strings);
  g_ptr_array_add (names, NULL);

  return (char **) g_ptr_array_free (names, FALSE);
}

static void
walk_finish (Walk    *walk,
             guint64  expected)
{
  g_autoptr (GError) error = NULL;
  const GValue *value;

  test_future_wait (walk->future);
  value = at_future_get_value (walk->future, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_value_get_uint64 (value), ==, expected);
  g_clear_object (&walk->future);
  g_clear_object (&walk->entries);
}

static void
walk_finish_error (Walk   *walk,
                   GQuark  domain,
                   int     code)
{
  g_assert_null (walk_next (walk));
  test_future_finish_error (g_steal_pointer (&walk->future), domain, code);
  g_clear_object (&walk->entries);
}

static void
assert_walk (GFileQueryInfoFlags  flags,
             const char * const  *excluded_names,
             guint                capacity,
             const char * const  *expected)
{
  g_auto (GStrv) found = NULL;
  Walk walk;

  walk_start (&walk, ".", flags, excluded_names, capacity, NULL);
  found = walk_read (&walk);
  g_assert_cmpstrv (found, expected);
  walk_finish (&walk, g_strv_length (found));
}

static void
run_walk (void)
{
  const char * const all[] = { "a", "a/b", "a/b/c", "a/b/file", "d", "file", "link", NULL };
  const char * const without_b[] = { "a", "d", "link", NULL };
  const char * const excluded[] = { "b", "file", NULL };

  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 10, (const char *[]){ NULL });

  make_folder ("a");
  make_folder ("a/b");
  make_folder ("a/b/c");
  make_folder ("d");
  make_file ("file", "1", 1);
  make_file ("a/b/file", "12", 2);
  make_link ("link", "missing");

  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 0, all);
  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 1, all);
  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 100, all);
  assert_walk (G_FILE_QUERY_INFO_NONE, NULL, 100, all);
  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, excluded, 100, without_b);
}

static void
test_walk_finds_everything (void)
{
  with_root (run_walk);
}

static void
run_entries (void)
{
  g_autoptr (AtFileEntry) folder = NULL;
  g_autoptr (AtFileEntry) file = NULL;
  g_autoptr (GFile) expected = file_in_root ("folder/file");
  Walk walk;

  make_folder ("folder");
  make_file ("folder/file", "123", 3);
  walk_start (&walk, ".", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 1, NULL);

  folder = walk_next (&walk);
  g_assert_cmpuint (at_file_entry_get_depth (folder), ==, 1);
  g_assert_cmpint (g_file_info_get_file_type (at_file_entry_get_info (folder)), ==,
                   G_FILE_TYPE_DIRECTORY);
  file = walk_next (&walk);
  g_assert_cmpuint (at_file_entry_get_depth (file), ==, 2);
  g_assert_true (g_file_equal (at_file_entry_get_file (file), expected));
  g_assert_cmpint (g_file_info_get_size (at_file_entry_get_info (file)), ==, 3);
  g_assert_null (at_file_entry_get_error (file));
  g_assert_null (walk_next (&walk));
  walk_finish (&walk, 2);
}

static void
test_folder_comes_before_its_content (void)
{
  with_root (run_entries);
}

static void
run_odd_names (void)
{
  /* In the order of their bytes. */
  const char * const odd[] = { "\001", "\n", "\r\n", " ", "#", "%2F", "-", "\\", "a\tb", "\xc3\xa4",
                               "\xff\xfe", NULL };

  for (guint i = 0; odd[i] != NULL; i++)
    {
      make_file (odd[i], odd[i], strlen (odd[i]));
      assert_checksum (odd[i], G_CHECKSUM_SHA256, odd[i], strlen (odd[i]));
    }

  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 3, odd);
}

static void
test_names_are_bytes (void)
{
  with_root (run_odd_names);
}

static void
run_many_names (void)
{
  const guint n_names = g_test_slow () ? 100000 : 10000;
  g_autofree guint8 *seen = g_malloc0 (n_names);
  AtFileEntry *entry;
  guint64 n_found = 0;
  Walk walk;

  for (guint i = 0; i < n_names; i++)
    {
      g_autofree char *name = g_strdup_printf ("\xff\n\\%u", i);
      g_autofree char *path = in_root (name);
      int file = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

      g_assert_cmpint (file, >=, 0);
      close (file);
    }

  walk_start (&walk, ".", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 4, NULL);
  while ((entry = walk_next (&walk)) != NULL)
    {
      const char *name = g_file_info_get_name (at_file_entry_get_info (entry));
      guint64 number;

      g_assert_true (g_ascii_string_to_unsigned (name + 3, 10, 0, n_names - 1, &number, NULL));
      g_assert_cmpuint (seen[number]++, ==, 0);
      n_found++;
      g_object_unref (entry);
    }

  g_assert_cmpuint (n_found, ==, n_names);
  walk_finish (&walk, n_names);
}

static void
test_large_folder_is_walked_once (void)
{
  with_root (run_many_names);
}

static void
run_loop (void)
{
  const char * const links[] = { "a", "a/b", "a/b/up", "a/self", "root", NULL };
  const char * const followed[] = { "!a/b/up", "!a/self", "!root", "a", "a/b", NULL };

  make_folder ("a");
  make_folder ("a/b");
  make_link ("a/b/up", "..");
  make_link ("a/self", ".");
  make_link ("root", root);

  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 2, links);
  assert_walk (G_FILE_QUERY_INFO_NONE, NULL, 2, followed);
}

static void
test_loop_of_links_is_an_entry_with_an_error (void)
{
  with_root (run_loop);
}

static void
run_two_links (void)
{
  const char * const all[] = { "folder", "folder/file", "one", "one/file", "two", "two/file",
                              NULL };

  make_folder ("folder");
  make_file ("folder/file", "", 0);
  make_link ("one", "folder");
  make_link ("two", "folder");

  assert_walk (G_FILE_QUERY_INFO_NONE, NULL, 2, all);
}

static void
test_two_links_to_a_folder_are_no_loop (void)
{
  with_root (run_two_links);
}

static void
run_vanishing (void)
{
  g_autoptr (AtFileEntry) first = NULL;
  g_auto (GStrv) rest = NULL;
  Walk walk;

  make_folder ("x");
  make_folder ("y");
  make_file ("x/file", "", 0);
  make_file ("y/file", "", 0);

  /* With capacity 0 the second folder is being sent until it is received, so neither is open. */
  walk_start (&walk, ".", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 0, NULL);
  first = walk_next (&walk);
  for (const char *name = "xy"; *name != '\0'; name++)
    {
      g_autofree char *path = g_strdup_printf ("%s/%c", root, *name);

      remove_tree (path);
    }

  rest = walk_read (&walk);
  g_assert_cmpuint (g_strv_length (rest), ==, 3);
  g_assert_cmpstr (rest[0], ==, "!x");
  g_assert_cmpstr (rest[1], ==, "!y");
  walk_finish (&walk, 4);
}

static void
test_vanished_folder_is_an_entry_with_an_error (void)
{
  with_root (run_vanishing);
}

static void
run_vanishing_root (void)
{
  g_autoptr (AtFileEntry) first = NULL;
  g_autofree char *path = in_root ("folder");
  g_auto (GStrv) rest = NULL;
  Walk walk;

  make_folder ("folder");
  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *name = g_strdup_printf ("folder/%u", i);

      make_file (name, "", 0);
    }

  walk_start (&walk, "folder", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 0, NULL);
  first = walk_next (&walk);
  remove_tree (path);
  rest = walk_read (&walk);
  g_assert_cmpuint (g_strv_length (rest), <, 300);
  walk_finish (&walk, 1 + g_strv_length (rest));
}

static void
test_folder_may_vanish_while_it_is_read (void)
{
  with_root (run_vanishing_root);
}

static void
run_walk_errors (void)
{
  Walk walk;

  walk_start (&walk, "missing", G_FILE_QUERY_INFO_NONE, NULL, 1, NULL);
  walk_finish_error (&walk, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);

  make_file ("file", "", 0);
  walk_start (&walk, "file", G_FILE_QUERY_INFO_NONE, NULL, 1, NULL);
  walk_finish_error (&walk, G_IO_ERROR, G_IO_ERROR_NOT_DIRECTORY);
}

static void
test_folder_that_cannot_be_opened_fails_the_walk (void)
{
  with_root (run_walk_errors);
}

static void
run_deep (void)
{
  const int start = open (".", O_PATH | O_CLOEXEC);
  AtFileEntry *entry;
  guint n_errors = 0;
  guint64 n_found = 0;
  Walk walk;

  /* Deeper than a path can say. */
  g_assert_cmpint (chdir (root), ==, 0);
  for (guint i = 0; i < 150; i++)
    {
      const char *name = "a-name-of-thirty-characters-xx";

      g_assert_cmpint (g_mkdir (name, 0700), ==, 0);
      g_assert_cmpint (chdir (name), ==, 0);
    }
  g_assert_cmpint (fchdir (start), ==, 0);
  close (start);

  walk_start (&walk, ".", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 0, NULL);
  while ((entry = walk_next (&walk)) != NULL)
    {
      n_found++;
      n_errors += at_file_entry_get_error (entry) != NULL;
      /* The folder and GIO's own look into it, however deep. */
      g_assert_cmpuint (count_open_files (), <, 60);
      g_object_unref (entry);
    }

  g_assert_cmpuint (n_errors, ==, 1);
  walk_finish (&walk, n_found);
}

static void
test_deep_tree_is_walked_as_far_as_paths_reach (void)
{
  with_root (run_deep);
}

static void
run_cancelled_walk (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AtFileEntry) first = NULL;
  AtFileEntry *entry;
  Walk walk;

  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);

      make_file (name, "", 0);
    }

  walk_start (&walk, ".", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 1, cancellable);
  first = walk_next (&walk);
  g_cancellable_cancel (cancellable);
  test_future_wait (walk.future);
  g_assert_cmpint (at_future_get_state (walk.future), ==, AT_FUTURE_STATE_CANCELLED);
  while ((entry = walk_next (&walk)) != NULL)
    g_object_unref (entry);
  walk_finish_error (&walk, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_walk_that_waits_can_be_cancelled (void)
{
  with_root (run_cancelled_walk);
}

static void
run_left_alone (void)
{
  g_autoptr (AtFileEntry) first = NULL;
  Walk walk;

  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *name = g_strdup_printf ("%u", i);

      make_file (name, "", 0);
    }

  walk_start (&walk, ".", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 1, NULL);
  first = walk_next (&walk);
  at_receive_stream_close (walk.entries);
  g_clear_object (&walk.entries);
  test_future_wait (walk.future);
  g_assert_cmpint (at_future_get_state (walk.future), ==, AT_FUTURE_STATE_CANCELLED);
  /* Nobody looks at the result: that is not reported as a failure that was overseen. */
  g_clear_object (&walk.future);
  test_portal_flush (io);
}

static void
test_walk_ends_when_nobody_receives (void)
{
  with_root (run_left_alone);
}

static void
test_without_permission_is_an_error (void)
{
  const char * const expected[] = { "!closed", "closed", "secret", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GFile) secret = NULL;
  g_autofree char *closed_path = NULL;
  g_autofree char *secret_path = NULL;
  Walk walk;

  if (!g_test_subprocess ())
    {
      test_assert_subprocess (NULL);
      return;
    }

  /* The administrator may read everything. */
  if (geteuid () == 0)
    {
      g_assert_cmpint (setgroups (0, NULL), ==, 0);
      g_assert_cmpint (setgid (65534), ==, 0);
      g_assert_cmpint (setuid (65534), ==, 0);
    }

  root = g_dir_make_tmp ("at-file-XXXXXX", &error);
  g_assert_no_error (error);
  make_folder ("closed");
  make_file ("closed/file", "", 0);
  make_file ("secret", "", 0);
  closed_path = in_root ("closed");
  secret_path = in_root ("secret");
  g_assert_cmpint (g_chmod (closed_path, 0), ==, 0);
  g_assert_cmpint (g_chmod (secret_path, 0), ==, 0);

  assert_walk (G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 5, expected);
  walk_start (&walk, "closed", G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS, NULL, 5, NULL);
  walk_finish_error (&walk, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);

  secret = g_file_new_for_path (secret_path);
  test_future_finish_error (at_file_checksum (io, secret, G_CHECKSUM_SHA256, NULL, NULL),
                            G_IO_ERROR,
                            G_IO_ERROR_PERMISSION_DENIED);

  g_assert_cmpint (g_chmod (closed_path, 0700), ==, 0);
  remove_tree (root);
}

static void
test_entry_without_properties_is_valid (void)
{
  g_autoptr (AtFileEntry) entry = g_object_new (AT_TYPE_FILE_ENTRY, NULL);

  g_assert_null (at_file_entry_get_file (entry));
  g_assert_null (at_file_entry_get_info (entry));
  g_assert_null (at_file_entry_get_error (entry));
  g_assert_cmpuint (at_file_entry_get_depth (entry), ==, 0);
}

/* GIO opens descriptors of its own when its first thread starts. */
static void
warm_up (void)
{
  g_autoptr (GFile) file = g_file_new_for_path ("/dev/null");

  test_future_finish_error (at_file_checksum (io, file, G_CHECKSUM_SHA256, NULL, NULL), G_IO_ERROR,
                            G_IO_ERROR_NOT_REGULAR_FILE);
}

int
main (int   argc,
      char *argv[])
{
  int status;

  test_init (&argc, &argv);
  io = test_portal_new ("io");
  warm_up ();

  test_add ("/file/checksum/is-the-one-of-the-content", test_checksum_is_the_one_of_the_content);
  test_add ("/file/checksum/progress-grows-to-the-size-and-ends",
            test_progress_grows_to_the_size_and_ends);
  test_add ("/file/checksum/progress-that-nobody-takes-delays-nothing",
            test_progress_that_nobody_takes_delays_nothing);
  test_add ("/file/checksum/what-has-none-is-an-error", test_what_has_no_checksum_is_an_error);
  test_add ("/file/checksum/cancelled-closes-its-file", test_cancelled_checksum_closes_its_file);
  test_add ("/file/stopped-portal-refuses-and-ends-the-streams",
            test_stopped_portal_refuses_and_ends_the_streams);
  test_add ("/file/without-permission-is-an-error", test_without_permission_is_an_error);
  test_add ("/file/walk/finds-everything", test_walk_finds_everything);
  test_add ("/file/walk/folder-comes-before-its-content", test_folder_comes_before_its_content);
  test_add ("/file/walk/names-are-bytes", test_names_are_bytes);
  test_add ("/file/walk/large-folder-is-walked-once", test_large_folder_is_walked_once);
  test_add ("/file/walk/loop-of-links-is-an-entry-with-an-error",
            test_loop_of_links_is_an_entry_with_an_error);
  test_add ("/file/walk/two-links-to-a-folder-are-no-loop", test_two_links_to_a_folder_are_no_loop);
  test_add ("/file/walk/vanished-folder-is-an-entry-with-an-error",
            test_vanished_folder_is_an_entry_with_an_error);
  test_add ("/file/walk/folder-may-vanish-while-it-is-read",
            test_folder_may_vanish_while_it_is_read);
  test_add ("/file/walk/folder-that-cannot-be-opened-fails-it",
            test_folder_that_cannot_be_opened_fails_the_walk);
  test_add ("/file/walk/deep-tree-is-walked-as-far-as-paths-reach",
            test_deep_tree_is_walked_as_far_as_paths_reach);
  test_add ("/file/walk/that-waits-can-be-cancelled", test_walk_that_waits_can_be_cancelled);
  test_add ("/file/walk/ends-when-nobody-receives", test_walk_ends_when_nobody_receives);
  test_add ("/file/entry/without-properties-is-valid", test_entry_without_properties_is_valid);

  status = g_test_run ();
  test_portal_finish (io);

  return status;
}
