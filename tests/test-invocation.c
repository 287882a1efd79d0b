/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-common.h"

#include <math.h>

/* Those that handlers started. */
static GAsyncQueue *threads;

static void
join_threads (void)
{
  GThread *thread;

  while ((thread = g_async_queue_try_pop (threads)) != NULL)
    g_thread_join (thread);
}

/* Calls func as the only command there is, and gives the call's future when it is done. */
static AtFuture *
call (AtCommandFunc func,
      gpointer user_data,
      AtInvocation *invocation)
{
  AtPortal *portal = test_portal_new ("commands");
  g_autoptr (AtCommands) commands = at_commands_new ();
  g_autoptr (AtInvocation) own = invocation;
  g_autoptr (GError) error = NULL;
  AtFuture *future;

  at_commands_register (commands, "command", func, user_data, NULL);
  if (own == NULL)
    own = at_invocation_new ("command", NULL);
  future = at_commands_dispatch (commands, portal, own, NULL);
  g_clear_object (&own);
  at_future_wait (future, NULL, &error);
  g_assert_no_error (error);
  join_threads ();
  test_portal_finish (portal);
  return future;
}

static void
assert_text (AtFuture *future,
             const char *text)
{
  g_autoptr (GError) error = NULL;
  const GValue *value = at_future_get_value (future, &error);

  g_assert_no_error (error);
  g_assert_true (G_VALUE_HOLDS_STRING (value));
  g_assert_cmpstr (g_value_get_string (value), ==, text);
}

static void
assert_error (AtFuture *future,
              GQuark domain,
              int code,
              const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, domain, code);
  if (message != NULL)
    g_assert_cmpstr (error->message, ==, message);
}

/* Answers */

static void
return_json (AtInvocation *invocation,
             gpointer user_data)
{
  at_invocation_return_json (invocation, user_data);
}

static void
test_return_json (void)
{
  g_autoptr (AtFuture) text = call (return_json, (gpointer) "{\"a\":[1]}", NULL);
  g_autoptr (AtFuture) null = call (return_json, NULL, NULL);

  assert_text (text, "{\"a\":[1]}");
  assert_text (null, "null");
}

static void
test_return_no_json (void)
{
  const char *const texts[] = { "", "hello", "{", "NaN", "1,2", "\"\377\"", "\"\n\"" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (AtFuture) future = call (return_json, (gpointer) texts[i], NULL);

      assert_error (future, AT_ERROR, AT_ERROR_INVALID_RESULT, NULL);
    }
}

static void
return_node (AtInvocation *invocation,
             gpointer user_data)
{
  g_autoptr (JsonNode) node = user_data != NULL ? json_from_string (user_data, NULL) : NULL;

  at_invocation_return_node (invocation, node);
}

static void
test_return_node (void)
{
  g_autoptr (AtFuture) tree = call (return_node, (gpointer) "{\"a\":[1,\"\\u00fc\\u0001\"]}", NULL);
  g_autoptr (AtFuture) null = call (return_node, NULL, NULL);

  assert_text (tree, "{\"a\":[1,\"ü\\u0001\"]}");
  assert_text (null, "null");
}

static void
return_variant (AtInvocation *invocation,
                gpointer user_data)
{
  at_invocation_return_variant (invocation, user_data);
}

static void
test_return_variant (void)
{
  g_autoptr (GVariant) kept = g_variant_ref_sink (g_variant_new_parsed ("{'a': <@ai [1, 2]>}"));
  g_autoptr (AtFuture) sunk = call (return_variant, kept, NULL);
  g_autoptr (AtFuture) floating = call (return_variant, g_variant_new_boolean (TRUE), NULL);
  g_autoptr (AtFuture) null = call (return_variant, NULL, NULL);
  g_autoptr (AtFuture) infinite = call (return_variant, g_variant_new_double (INFINITY), NULL);
  g_autoptr (AtFuture) nan = call (return_variant, g_variant_new_double (NAN), NULL);

  assert_text (sunk, "{\"a\":[1,2]}");
  assert_text (floating, "true");
  assert_text (null, "null");
  assert_error (infinite, AT_ERROR, AT_ERROR_INVALID_RESULT, NULL);
  assert_error (nan, AT_ERROR, AT_ERROR_INVALID_RESULT, NULL);
}

static void
return_bytes (AtInvocation *invocation,
              gpointer user_data)
{
  at_invocation_return_bytes (invocation, user_data);
}

static void
test_return_bytes (void)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("\0\377", 2);
  g_autoptr (AtFuture) future = call (return_bytes, bytes, NULL);
  const GValue *value = at_future_get_value (future, NULL);

  g_assert_true (G_VALUE_HOLDS (value, G_TYPE_BYTES));
  g_assert_true (g_bytes_equal (g_value_get_boxed (value), bytes));
}

static void
return_gerror (AtInvocation *invocation,
               gpointer user_data)
{
  at_invocation_return_gerror (invocation, user_data);
}

static void
return_error (AtInvocation *invocation,
              gpointer user_data)
{
  at_invocation_return_error (invocation, G_IO_ERROR, G_IO_ERROR_EXISTS, "%d%%", 5);
}

static void
return_error_literal (AtInvocation *invocation,
                      gpointer user_data)
{
  at_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_EXISTS, "%d");
}

static void
test_return_errors (void)
{
  g_autoptr (GError) error = g_error_new_literal (G_FILE_ERROR, G_FILE_ERROR_NOENT, "gone");
  g_autoptr (AtFuture) copied = call (return_gerror, error, NULL);
  g_autoptr (AtFuture) printed = call (return_error, NULL, NULL);
  g_autoptr (AtFuture) literal = call (return_error_literal, NULL, NULL);

  assert_error (copied, G_FILE_ERROR, G_FILE_ERROR_NOENT, "gone");
  assert_error (printed, G_IO_ERROR, G_IO_ERROR_EXISTS, "5%");
  assert_error (literal, G_IO_ERROR, G_IO_ERROR_EXISTS, "%d");
}

static void
drop (AtInvocation *invocation,
      gpointer user_data)
{
}

static void
test_dropped (void)
{
  g_autoptr (AtFuture) future = call (drop, NULL, NULL);

  assert_error (future, AT_ERROR, AT_ERROR_NOT_ANSWERED, NULL);
}

static gpointer
answer_thread (gpointer data)
{
  g_autoptr (AtInvocation) invocation = data;

  at_invocation_return_json (invocation, "\"elsewhere\"");
  return NULL;
}

static gpointer
drop_thread (gpointer data)
{
  g_object_unref (data);
  return NULL;
}

static void
answer_later (AtInvocation *invocation,
              gpointer user_data)
{
  g_async_queue_push (threads, g_thread_new ("answer", user_data, g_object_ref (invocation)));
}

static void
test_on_another_thread (void)
{
  g_autoptr (AtFuture) answered = call (answer_later, answer_thread, NULL);
  g_autoptr (AtFuture) dropped = call (answer_later, drop_thread, NULL);

  assert_text (answered, "\"elsewhere\"");
  assert_error (dropped, AT_ERROR, AT_ERROR_NOT_ANSWERED, NULL);
}

static void
answer_twice (AtInvocation *invocation,
              gpointer user_data)
{
  at_invocation_return_json (invocation, "1");
  at_invocation_return_error_literal (invocation, G_IO_ERROR, G_IO_ERROR_FAILED, "again");
}

static void
test_twice (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AtFuture) future = NULL;

      test_survive_criticals ();
      future = call (answer_twice, NULL, NULL);
      assert_text (future, "1");
      return;
    }

  test_assert_subprocess ("*CRITICAL*answered twice*");
}

static void
hold (AtInvocation *invocation,
      gpointer user_data)
{
  AtInvocation **held = user_data;

  g_atomic_pointer_set (held, g_object_ref (invocation));
}

static void
test_caller_gone (void)
{
  AtPortal *portal = test_portal_new ("commands");
  g_autoptr (AtCommands) commands = at_commands_new ();
  AtInvocation *held = NULL;
  AtFuture *future;

  at_commands_register (commands, "command", hold, &held, NULL);
  future = at_commands_invoke (commands, portal, "command", NULL, NULL);
  test_portal_flush (portal);
  at_future_cancel (future);
  g_object_unref (future);
  g_assert_true (g_cancellable_is_cancelled (at_invocation_get_cancellable (held)));
  at_invocation_return_json (held, "1");
  g_object_unref (held);
  test_portal_finish (portal);
}

static void
test_never_dispatched (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AtInvocation) invocation = at_invocation_new ("command", NULL);

      at_invocation_return_json (invocation, "1");
      test_survive_criticals ();
      at_invocation_return_json (invocation, "1");
      return;
    }

  test_assert_subprocess ("*CRITICAL*answered twice*");
}

/* What is asked */

static void
test_bare (void)
{
  g_autoptr (AtInvocation) invocation = g_object_new (AT_TYPE_INVOCATION, NULL);
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GVariant) variant = NULL;

  g_assert_cmpstr (at_invocation_get_command (invocation), ==, "");
  g_assert_null (at_invocation_get_arguments (invocation));
  g_assert_null (at_invocation_get_body (invocation));
  g_assert_cmpuint (g_hash_table_size (at_invocation_get_headers (invocation)), ==, 0);
  g_assert_null (at_invocation_get_header (invocation, "x"));
  g_assert_null (at_invocation_get_sender (invocation));
  g_assert_null (at_invocation_get_cancellable (invocation));
  g_assert_null (at_invocation_get_portal (invocation));
  node = at_invocation_get_arguments_node (invocation, NULL);
  g_assert_true (JSON_NODE_HOLDS_NULL (node));
  variant = at_invocation_get_arguments_variant (invocation, NULL, NULL);
  g_assert_cmpstr (g_variant_get_type_string (variant), ==, "()");
}

static void
describe (AtInvocation *invocation,
          gpointer user_data)
{
  g_autofree char *json = NULL;

  json = g_strdup_printf ("[\"%s\",%s,\"%s\",\"%s\",%d,%d]", at_invocation_get_command (invocation),
                          at_invocation_get_arguments (invocation),
                          at_invocation_get_sender (invocation),
                          at_invocation_get_header (invocation, "CONTENT-type"),
                          g_hash_table_size (at_invocation_get_headers (invocation)),
                          (int) g_bytes_get_size (at_invocation_get_body (invocation)));
  g_assert_true (AT_IS_CANCEL_SCOPE (at_invocation_get_cancellable (invocation)));
  g_assert_true (at_invocation_get_portal (invocation) == at_portal_get_current ());
  at_invocation_return_json (invocation, json);
}

static void
test_context (void)
{
  g_autoptr (GBytes) body = g_bytes_new_static ("abc", 3);
  g_autoptr (GHashTable) headers = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (AtFuture) future = NULL;

  g_hash_table_insert (headers, (gpointer) "Content-Type", (gpointer) "text");
  future = call (describe, NULL,
                 g_object_new (AT_TYPE_INVOCATION,
                               "command", "command",
                               "arguments", "[1]",
                               "body", body,
                               "headers", headers,
                               "sender", "somebody",
                               NULL));
  assert_text (future, "[\"command\",[1],\"somebody\",\"text\",1,3]");
}

static void
test_node (void)
{
  static const struct
  {
    const char *text;
    const char *same; /* how json-glib writes it */
  } valid[] = {
    { "null", NULL },
    { " \t\r\n true ", "true" },
    { "-0", "0" },
    { "9223372036854775807", NULL },
    { "-9223372036854775808", NULL },
    { "9223372036854775808", "9.2233720368547758e+18" },
    { "1.5e+3", "1500.0" },
    { "[ ]", "[]" },
    { "{ \"a\" : { } , \"b\" : [ 1 , 2 ] }", "{\"a\":{},\"b\":[1,2]}" },
    { "{\"a\":1,\"a\":2}", "{\"a\":2}" },
    { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
    { "\"\\u00e4\\ud83c\\udf0d\\u2028\"", "\"ä🌍\342\200\250\"" },
  };
  static const char *const invalid[] = {
    "",
    "nul",
    "truex",
    "+1",
    "01",
    "1.",
    ".5",
    "1e",
    "-",
    "0x10",
    "1e999",
    "[1,]",
    "[,1]",
    "[1 2]",
    "{\"a\"}",
    "{\"a\":}",
    "{a:1}",
    "{\"a\":1,}",
    "[",
    "{",
    "]",
    "\"",
    "\"\\",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\t\"",
    "1 1",
    "/**/1",
    "var x = 1",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"\\udc00\"",
    "\"\\ud800\\u0041\"",
    "{\"\\u0000\":1}",
  };
  g_autofree char *deep = g_strnfill (256, '[');
  g_autofree char *closing = g_strnfill (256, ']');
  g_autofree char *deepest = g_strconcat (deep, closing, NULL);
  g_autofree char *too_deep = g_strconcat ("[", deepest, "]", NULL);

  for (gsize i = 0; i <= G_N_ELEMENTS (valid); i++)
    {
      const char *text = i < G_N_ELEMENTS (valid) ? valid[i].text : deepest;
      const char *same = i < G_N_ELEMENTS (valid) ? valid[i].same : NULL;
      g_autoptr (AtInvocation) invocation = at_invocation_new ("command", text);
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) node = at_invocation_get_arguments_node (invocation, &error);
      g_autofree char *written = NULL;

      g_assert_no_error (error);
      written = json_to_string (node, FALSE);
      g_assert_cmpstr (written, ==, same != NULL ? same : text);
    }

  for (gsize i = 0; i <= G_N_ELEMENTS (invalid); i++)
    {
      const char *text = i < G_N_ELEMENTS (invalid) ? invalid[i] : too_deep;
      g_autoptr (AtInvocation) invocation = at_invocation_new ("command", text);
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", text);
      g_assert_null (at_invocation_get_arguments_node (invocation, &error));
      g_assert_error (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS);
    }
}

static void
test_variant (void)
{
  static const struct
  {
    const char *text;
    const char *signature;
    const char *printed; /* NULL: refused */
  } cases[] = {
    { "true", "b", "true" },
    { "1", "b", NULL },
    { "255", "y", "byte 0xff" },
    { "256", "y", NULL },
    { "-1", "y", NULL },
    { "-32768", "n", "int16 -32768" },
    { "32768", "n", NULL },
    { "65535", "q", "uint16 65535" },
    { "65536", "q", NULL },
    { "2147483647", "i", "2147483647" },
    { "2147483648", "i", NULL },
    { "4294967295", "u", "uint32 4294967295" },
    { "-1", "u", NULL },
    { "-9223372036854775808", "x", "int64 -9223372036854775808" },
    { "9223372036854775808", "x", NULL },
    { "9223372036854775808", "t", "uint64 9223372036854775808" },
    { "18446744073709551616", "t", NULL },
    { "-1", "t", NULL },
    { "1.5", "t", NULL },
    { "1.5", "x", NULL },
    { "1", "d", "1.0" },
    { "1.5", "d", "1.5" },
    { "\"1\"", "d", NULL },
    { "\"1\"", "i", NULL },
    { "\"a\"", "s", "'a'" },
    { "1", "s", NULL },
    { "null", "s", NULL },
    { "\"/a\"", "o", "objectpath '/a'" },
    { "\"a\"", "o", NULL },
    { "\"as\"", "g", "signature 'as'" },
    { "\"?\"", "g", NULL },
    { "0", "h", NULL },
    { "null", "ms", "@ms nothing" },
    { "\"a\"", "ms", "@ms 'a'" },
    { "[1,2]", "ai", "[1, 2]" },
    { "[]", "ai", "@ai []" },
    { "[1,\"2\"]", "ai", NULL },
    { "{}", "ai", NULL },
    { "[1,\"a\"]", "(is)", "(1, 'a')" },
    { "[]", "()", "()" },
    { "[1]", "(is)", NULL },
    { "[1,\"a\",2]", "(is)", NULL },
    { "{\"a\":1,\"b\":2}", "a{si}", "{'a': 1, 'b': 2}" },
    { "{\"1\":true}", "a{ub}", "{uint32 1: true}" },
    { "{\"-1\":true}", "a{ub}", NULL },
    { "{\"x\":true}", "a{ub}", NULL },
    { "[]", "a{si}", NULL },
    { "[1,\"a\",null,2.5,{\"b\":[]}]", "v", "<[<int64 1>, <'a'>, <@mv nothing>, <2.5>, "
                                            "<{'b': <@av []>}>]>" },
    { "{\"a\":1}", NULL, "{'a': <int64 1>}" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (AtInvocation) invocation = at_invocation_new ("command", cases[i].text);
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) value = NULL;
      g_autofree char *printed = NULL;

      g_test_message ("%s as %s", cases[i].text, cases[i].signature);
      value = at_invocation_get_arguments_variant (invocation, cases[i].signature, &error);
      if (cases[i].printed == NULL)
        {
          g_assert_null (value);
          g_assert_error (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS);
          continue;
        }
      g_assert_no_error (error);
      g_assert_false (g_variant_is_floating (value));
      printed = g_variant_print (value, TRUE);
      g_assert_cmpstr (printed, ==, cases[i].printed);
    }
}

/* Answering, dropping and the deadline at once: one of them, whichever it is. */
static void
test_race (void)
{
  AtPortal *portal = test_portal_new ("commands");
  g_autoptr (AtCommands) commands = at_commands_new ();

  at_commands_register (commands, "command", answer_later, answer_thread, NULL);
  at_commands_set_timeout (commands, "command", 50);
  for (int i = 0; i < 500; i++)
    {
      g_autoptr (AtFuture) future = at_commands_invoke (commands, portal, "command", NULL, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_true (at_future_wait (future, NULL, NULL));
      if (at_future_get_value (future, &error) == NULL)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
    }
  test_portal_flush (portal);
  join_threads ();
  test_portal_finish (portal);
}

int
main (int argc,
      char *argv[])
{
  int status;

  test_init (&argc, &argv);
  threads = g_async_queue_new ();

  test_add ("/invocation/return/json", test_return_json);
  test_add ("/invocation/return/what-is-no-json-fails", test_return_no_json);
  test_add ("/invocation/return/node", test_return_node);
  test_add ("/invocation/return/variant", test_return_variant);
  test_add ("/invocation/return/bytes", test_return_bytes);
  test_add ("/invocation/return/errors", test_return_errors);
  test_add ("/invocation/return/dropped-is-an-error", test_dropped);
  test_add ("/invocation/return/on-another-thread", test_on_another_thread);
  test_add ("/invocation/return/twice-is-critical-and-the-first-stays", test_twice);
  test_add ("/invocation/return/after-the-caller-went-away", test_caller_gone);
  test_add ("/invocation/return/without-a-caller", test_never_dispatched);
  test_add ("/invocation/return/races-with-the-deadline", test_race);
  test_add ("/invocation/arguments/bare-object-has-none", test_bare);
  test_add ("/invocation/arguments/context-arrives", test_context);
  test_add ("/invocation/arguments/as-a-tree", test_node);
  test_add ("/invocation/arguments/as-a-variant", test_variant);

  status = g_test_run ();
  g_async_queue_unref (threads);
  return status;
}
