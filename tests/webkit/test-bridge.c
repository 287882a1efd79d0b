/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <asynctools-webkit.h>
#include <signal.h>
#include <string.h>

/* A window with a page, and an application behind it whose commands tell what reached them. */

typedef struct
{
  GtkWidget *window;
  WebKitWebView *view;
  AtWebKitBridge *bridge;
  AtPortal *portal;
  AtCommands *commands;

  int n_calls;     /* atomic: calls that reached a handler */
  int n_cancelled; /* atomic: held calls that were cancelled */
  GMutex lock;
  GPtrArray *held;          /* lock: calls whose handler answers when told to */
  AtWebKitChannel *channel; /* lock: what “take” got */
  char *reason;             /* lock: of the last cancellation */

  char *result;
  gboolean finished;
} Fixture;

static void
count (int *counter)
{
  g_atomic_int_inc (counter);
  g_main_context_wakeup (NULL);
}

static void
wait_for (int *counter,
          int value)
{
  while (g_atomic_int_get (counter) < value)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_atomic_int_get (counter), ==, value);
}

/* Commands */

static void
echo (AtInvocation *invocation,
      gpointer user_data)
{
  Fixture *fixture = user_data;

  count (&fixture->n_calls);
  at_invocation_return_json (invocation, at_invocation_get_arguments (invocation));
}

static void
echo_node (AtInvocation *invocation,
           gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = at_invocation_get_arguments_node (invocation, &error);

  count (&fixture->n_calls);
  if (node != NULL)
    at_invocation_return_node (invocation, node);
  else
    at_invocation_return_gerror (invocation, error);
}

static void
add (AtInvocation *invocation,
     gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) arguments = NULL;
  gint64 a, b;

  count (&fixture->n_calls);
  arguments = at_invocation_get_arguments_variant (invocation, "(xx)", &error);
  if (arguments == NULL)
    {
      at_invocation_return_gerror (invocation, error);
      return;
    }
  g_variant_get (arguments, "(xx)", &a, &b);
  at_invocation_return_variant (invocation, g_variant_new_int64 (a + b));
}

static void
describe (AtInvocation *invocation,
          gpointer user_data)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) node = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "sender");
  json_builder_add_string_value (builder, at_invocation_get_sender (invocation));
  json_builder_set_member_name (builder, "colour");
  json_builder_add_string_value (builder, at_invocation_get_header (invocation, "X-Colour"));
  json_builder_set_member_name (builder, "thread");
  json_builder_add_boolean_value (builder,
                                  at_portal_is_owner (at_invocation_get_portal (invocation)));
  json_builder_end_object (builder);
  node = json_builder_get_root (builder);
  at_invocation_return_node (invocation, node);
}

static void
fail (AtInvocation *invocation,
      gpointer user_data)
{
  at_invocation_return_error (invocation, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                              "No “%s” here\n\"quoted\"", "thing");
}

static void
drop (AtInvocation *invocation,
      gpointer user_data)
{
}

static void
bytes (AtInvocation *invocation,
       gpointer user_data)
{
  g_autoptr (GBytes) result = g_bytes_new_static ("\0\1", 2);

  at_invocation_return_bytes (invocation, result);
}

static void
large (AtInvocation *invocation,
       gpointer user_data)
{
  g_autofree char *text = g_strnfill (2000, 'x');

  text[0] = text[1999] = '"';
  at_invocation_return_json (invocation, text);
}

static void
on_cancelled (GObject *source,
              GAsyncResult *result,
              gpointer user_data)
{
  AtCancelScope *scope = AT_CANCEL_SCOPE (source);
  g_autoptr (AtInvocation) invocation = user_data;
  Fixture *fixture = g_object_get_data (G_OBJECT (invocation), "fixture");

  at_cancel_scope_wait_finish (scope, result, NULL);
  g_mutex_lock (&fixture->lock);
  g_free (fixture->reason);
  fixture->reason = g_strdup (at_cancel_scope_get_reason (scope));
  g_mutex_unlock (&fixture->lock);
  count (&fixture->n_cancelled);
}

/* Answers only when the test says so, whatever happens meanwhile. */
static void
hold (AtInvocation *invocation,
      gpointer user_data)
{
  Fixture *fixture = user_data;

  g_object_set_data (G_OBJECT (invocation), "fixture", fixture);
  g_mutex_lock (&fixture->lock);
  g_ptr_array_add (fixture->held, g_object_ref (invocation));
  g_mutex_unlock (&fixture->lock);
  at_cancel_scope_wait_async (AT_CANCEL_SCOPE (at_invocation_get_cancellable (invocation)), NULL,
                              on_cancelled, g_object_ref (invocation));
  count (&fixture->n_calls);
}

static void
release_held (Fixture *fixture)
{
  g_autoptr (GPtrArray) held = NULL;

  g_mutex_lock (&fixture->lock);
  held = g_steal_pointer (&fixture->held);
  fixture->held = g_ptr_array_new_with_free_func (g_object_unref);
  g_mutex_unlock (&fixture->lock);

  for (guint i = 0; i < held->len; i++)
    at_invocation_return_json (g_ptr_array_index (held, i), "\"late\"");
}

/* Keeps the channel for the test. */
static void
take (AtInvocation *invocation,
      gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GError) error = NULL;
  AtWebKitChannel *channel;

  channel = at_webkit_channel_from_invocation (invocation, "channel", &error);
  if (channel == NULL)
    {
      at_invocation_return_gerror (invocation, error);
      return;
    }

  g_mutex_lock (&fixture->lock);
  g_set_object (&fixture->channel, channel);
  g_mutex_unlock (&fixture->lock);
  g_object_unref (channel);
  at_invocation_return_json (invocation, NULL);
}

/* Sends, and answers at once. */
static void
progress (AtInvocation *invocation,
          gpointer user_data)
{
  g_autoptr (AtWebKitChannel) channel = NULL;

  channel = at_webkit_channel_from_invocation (invocation, "channel", NULL);
  for (int i = 0; i < 1000; i++)
    {
      g_autofree char *json = g_strdup_printf ("%d", i);

      g_assert_true (at_webkit_channel_try_send (channel, json, NULL));
    }
  at_invocation_return_json (invocation, "\"done\"");
}

static void
nothing (gpointer user_data)
{
}

/* Answers while the page still fetches the first message, and so does not ask for the second. */
static void
burst (AtInvocation *invocation,
       gpointer user_data)
{
  g_autoptr (AtWebKitChannel) channel = NULL;

  channel = at_webkit_channel_from_invocation (invocation, "channel", NULL);
  g_assert_true (at_webkit_channel_try_send (channel, "1", NULL));
  g_assert_true (at_portal_invoke (at_portal_get_main (), nothing, NULL, NULL));
  g_assert_true (at_webkit_channel_try_send (channel, "2", NULL));
  at_invocation_return_json (invocation, NULL);
}

static const struct
{
  const char *name;
  AtCommandFunc func;
} commands[] = {
  { "echo", echo },
  { "echo-node", echo_node },
  { "add", add },
  { "describe", describe },
  { "fail", fail },
  { "drop", drop },
  { "bytes", bytes },
  { "large", large },
  { "hold", hold },
  { "take", take },
  { "progress", progress },
  { "burst", burst },
};

/* Pages */

static void
on_request (WebKitURISchemeRequest *request,
            gpointer user_data)
{
  const char *path = webkit_uri_scheme_request_get_path (request);
  g_autofree char *html = NULL;
  g_autoptr (GInputStream) stream = NULL;

  if (g_str_equal (path, "/frames"))
    html = g_strdup ("<!DOCTYPE html><iframe id=other src='other://host/inner'></iframe>"
                     "<iframe id=boxed sandbox='allow-scripts' src='at://app/inner'></iframe>");
  else if (g_str_equal (path, "/inner"))
    html = g_strdup ("<!DOCTYPE html><script>"
                     "webkit.messageHandlers.asynctools.postMessage('x').then("
                     "  () => 'resolved', error => error.message).then("
                     "  answer => parent.postMessage({ answer, at: typeof at }, '*'))"
                     "</script>");
  else
    html = g_strdup_printf ("<!DOCTYPE html><title>%s</title>", path);

  stream = g_memory_input_stream_new_from_data (g_steal_pointer (&html), -1, g_free);
  webkit_uri_scheme_request_finish (request, stream, -1, "text/html");
}

static WebKitWebContext *
get_context (void)
{
  static WebKitWebContext *context;

  if (context == NULL)
    {
      context = webkit_web_context_new ();
      webkit_web_context_register_uri_scheme (context, "at", on_request, NULL, NULL);
      webkit_web_context_register_uri_scheme (context, "other", on_request, NULL, NULL);
    }

  return context;
}

static void
on_load_changed (WebKitWebView *view,
                 WebKitLoadEvent event,
                 gpointer user_data)
{
  if (event == WEBKIT_LOAD_FINISHED)
    *(gboolean *) user_data = TRUE;
}

static void
wait_loaded (Fixture *fixture)
{
  gboolean loaded = FALSE;
  gulong id = g_signal_connect (fixture->view, "load-changed", G_CALLBACK (on_load_changed),
                                &loaded);

  while (!loaded)
    g_main_context_iteration (NULL, TRUE);
  g_signal_handler_disconnect (fixture->view, id);
}

static void
load (Fixture *fixture,
      const char *uri)
{
  webkit_web_view_load_uri (fixture->view, uri);
  wait_loaded (fixture);
}

static void
on_result (GObject *source,
           GAsyncResult *result,
           gpointer user_data)
{
  Fixture *fixture = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (JSCValue) value = NULL;

  value = webkit_web_view_call_async_javascript_function_finish (fixture->view, result, &error);
  g_free (fixture->result);
  fixture->result = value != NULL ? jsc_value_to_string (value) : g_strdup (error->message);
  fixture->finished = TRUE;
}

/* What an asynchronous function with this body returns, as JSON, or “CODE: MESSAGE” of what it
 * throws; CODE is the name of an AtError, or the domain and the number. */
static const char *
run (Fixture *fixture,
     const char *body)
{
  g_autofree char *script = g_strdup_printf (
    "const nameOf = e => e.domain === at.ERROR"
    "  ? Object.keys(at.ErrorCode).find(name => at.ErrorCode[name] === e.code)"
    "  : `${e.domain} ${e.code}`;"
    "const show = e => `${nameOf(e)}: ${e.message}`;"
    "const caught = promise => promise.then(v => `resolved ${JSON.stringify(v)}`, show);"
    "try { return JSON.stringify(await (async () => { %s })()); }"
    "catch (e) { return e.domain === undefined ? `${e}` : show(e); }",
    body);

  fixture->finished = FALSE;
  webkit_web_view_call_async_javascript_function (fixture->view, script, -1, NULL, NULL, NULL, NULL,
                                                  on_result, fixture);
  while (!fixture->finished)
    g_main_context_iteration (NULL, TRUE);
  return fixture->result;
}

static void
start (Fixture *fixture,
       const char *script)
{
  webkit_web_view_evaluate_javascript (fixture->view, script, -1, NULL, NULL, NULL, NULL, NULL);
}

static void
assert_starts (const char *text,
               const char *prefix)
{
  if (!g_str_has_prefix (text, prefix))
    g_error ("“%s” does not start with “%s”", text, prefix);
}

static void
assert_contains (const char *text,
                 const char *part)
{
  if (strstr (text, part) == NULL)
    g_error ("“%s” does not contain “%s”", text, part);
}

/* The host lives, and the page can call it. */
static void
assert_works (Fixture *fixture)
{
  g_assert_cmpstr (run (fixture, "return await at.invoke('add', [40, 2]);"), ==, "42");
}

static void
set_up (Fixture *fixture,
        gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_mutex_init (&fixture->lock);
  fixture->held = g_ptr_array_new_with_free_func (g_object_unref);
  fixture->portal = at_portal_new ("commands", &error);
  g_assert_no_error (error);
  fixture->commands = at_commands_new ();
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    g_assert_true (at_commands_register (fixture->commands, commands[i].name, commands[i].func,
                                         fixture, NULL));

  fixture->view = g_object_ref_sink (g_object_new (WEBKIT_TYPE_WEB_VIEW,
                                                   "web-context", get_context (), NULL));
  fixture->window = gtk_window_new ();
  gtk_window_set_child (GTK_WINDOW (fixture->window), GTK_WIDGET (fixture->view));
  gtk_window_present (GTK_WINDOW (fixture->window));

  fixture->bridge = at_webkit_bridge_new (fixture->view, fixture->portal, fixture->commands);
  load (fixture, user_data != NULL ? user_data : "at://app/page");
}

static void
tear_down (Fixture *fixture,
           gconstpointer user_data)
{
  g_clear_object (&fixture->channel);
  g_clear_object (&fixture->view);
  if (fixture->window != NULL)
    gtk_window_destroy (GTK_WINDOW (fixture->window));
  release_held (fixture);

  at_portal_stop (fixture->portal, TRUE);
  g_assert_true (at_portal_wait_stopped (fixture->portal, NULL, NULL));
  while (g_main_context_iteration (NULL, FALSE))
    ;

  g_assert_finalize_object (fixture->bridge);
  g_assert_finalize_object (fixture->commands);
  g_clear_object (&fixture->portal);
  g_ptr_array_unref (fixture->held);
  g_mutex_clear (&fixture->lock);
  g_free (fixture->reason);
  g_free (fixture->result);
}

/* Calls */

static void
test_values (Fixture *fixture,
             gconstpointer user_data)
{
  const char *const values[] = {
    "null",
    "true",
    "0",
    "-1.5",
    "1e300",
    "9007199254740993",
    "\"\"",
    "\"Grüße 🌍\"",
    "[]",
    "{}",
    "[1,[2,[3]]]",
    "{\"a\":{\"b\":[null,false]},\"\":1}",
    "\"quote \\\" back \\\\ line \\n\"",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *text = g_strdup_printf (
        "const value = %s; const text = JSON.stringify(value);"
        "return [JSON.stringify(await at.invoke('echo', value)) === text,"
        "        JSON.stringify(await at.invoke('echo-node', value)) === text]",
        values[i]);

      g_test_message ("%s", values[i]);
      g_assert_cmpstr (run (fixture, text), ==, "[true,true]");
    }

  g_assert_cmpstr (run (fixture, "return await at.invoke('echo');"), ==, "null");
  g_assert_cmpstr (run (fixture, "return await at.invoke('echo', { a: undefined, b: 1 });"), ==,
                   "{\"b\":1}");
  g_assert_cmpstr (run (fixture, "return await at.invoke('echo', new Date(0));"), ==,
                   "\"1970-01-01T00:00:00.000Z\"");
}

static void
test_concurrent (Fixture *fixture,
                 gconstpointer user_data)
{
  g_assert_cmpstr (run (fixture,
                        "const calls = [];"
                        "for (let i = 0; i < 1000; i++) calls.push(at.invoke('add', [i, 1]));"
                        "return (await Promise.all(calls)).every((v, i) => v === i + 1);"),
                   ==, "true");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 1000);
}

static void
test_context (Fixture *fixture,
              gconstpointer user_data)
{
  g_assert_cmpstr (run (fixture,
                        "return await at.invoke('describe', null,"
                        "                       { headers: { 'X-Colour': 'red: blue' } });"),
                   ==,
                   "{\"sender\":\"at://app/page\",\"colour\":\"red: blue\",\"thread\":true}");
}

static void
test_frozen (Fixture *fixture,
             gconstpointer user_data)
{
  g_assert_cmpstr (run (fixture,
                        "'use strict'; const failed = [];"
                        "for (const change of [() => { at = 1 }, () => { at.invoke = 1 },"
                        "  () => { delete globalThis.at }, () => { at.Channel.prototype.x = 1 },"
                        "  () => { at.ErrorCode.CLOSED = 1 }])"
                        "  try { change() } catch { failed.push(1) }"
                        "return failed.length;"),
                   ==, "5");
  /* Nor does it depend on what the page makes of the globals. */
  g_assert_cmpstr (run (fixture,
                        "JSON.stringify = JSON.parse = () => { throw 1 };"
                        "return await at.invoke('add', [1, 2]);"),
                   ==, "3");
}

static void
test_error_codes (Fixture *fixture,
                  gconstpointer user_data)
{
  g_autoptr (GEnumClass) codes = g_type_class_ref (AT_TYPE_ERROR);
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "data", "asynctools.d.ts", NULL);
  g_autofree char *types = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &types, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < codes->n_values; i++)
    {
      g_autofree char *name = g_ascii_strup (codes->values[i].value_nick, -1);
      g_autofree char *script = NULL;
      g_autofree char *type = NULL;
      g_autofree char *value = g_strdup_printf ("%d", codes->values[i].value);

      g_strdelimit (name, "-", '_');
      script = g_strdup_printf ("return at.ErrorCode.%s;", name);
      g_assert_cmpstr (run (fixture, script), ==, value);
      type = g_strdup_printf ("| \"%s\"", name);
      assert_contains (types, type);
    }
}

static void
test_unknown_command (Fixture *fixture,
                      gconstpointer user_data)
{
  assert_starts (run (fixture, "return await at.invoke('nothing', {});"), "UNKNOWN_COMMAND: ");
  assert_starts (run (fixture, "return await at.invoke('__proto__');"), "UNKNOWN_COMMAND: ");
  assert_starts (run (fixture, "return await at.invoke('echo\\n');"), "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('');"), "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke(Symbol());"), "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke();"), "INVALID_ARGUMENTS: ");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 0);
  assert_works (fixture);
}

static void
test_wrong_shape (Fixture *fixture,
                  gconstpointer user_data)
{
  assert_starts (run (fixture, "return await at.invoke('add', { a: 1 });"), "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('add', ['1', '2']);"),
                 "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('add', [1]);"), "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('add');"), "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('take', {});"), "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('take', { channel: { $channel: 1 } });"),
                 "INVALID_ARGUMENTS: ");
  assert_works (fixture);
}

static void
test_refused_arguments (Fixture *fixture,
                        gconstpointer user_data)
{
  const char *const values[] = {
    "() => 1",
    "{ a: [class {}] }",
    "Symbol('x')",
    "{ a: Symbol.iterator }",
    "1n",
    "[2n]",
    "NaN",
    "{ a: -Infinity }",
    "[undefined]",
    "document.body",
    "{ a: document.createTextNode('x') }",
    "window",
    "Promise.resolve(1)",
    "[new Map()]",
    "new Set([1])",
    "/x/",
    "new Error('x')",
    "new WeakMap()",
    "new ArrayBuffer(3)",
    "new Uint8Array(3)",
    "new Blob(['x'])",
    "new FormData()",
    "new Number(NaN)",
    "Object(1n)",
    "(() => { const o = {}; o.o = o; return o })()",
    "(() => { let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a })()",
    "{ get a() { throw new Error('no') } }",
    "{ toJSON() { return () => 1 } }",
    "new Proxy({}, { ownKeys() { throw new TypeError('no') } })",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *script = g_strdup_printf ("return await at.invoke('echo', %s);", values[i]);

      g_test_message ("%s", values[i]);
      assert_starts (run (fixture, script), "INVALID_ARGUMENTS: ");
    }

  assert_starts (run (fixture, "return await at.invoke('echo', 1, { signal: {} });"),
                 "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('echo', 1, { headers: { 'a b': 'c' } });"),
                 "INVALID_ARGUMENTS: ");
  assert_starts (run (fixture, "return await at.invoke('echo', 1, { headers: { a: 'b\\nc' } });"),
                 "INVALID_ARGUMENTS: ");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 0);

  /* It nests deeper than the host reads, but not too deep for JSON.stringify (). */
  assert_starts (run (fixture,
                      "let a = []; for (let i = 0; i < 1000; i++) a = [a];"
                      "return await at.invoke('echo', a);"),
                 "INVALID_ARGUMENTS: ");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 0);
  assert_works (fixture);
}

static void
test_odd_strings (Fixture *fixture,
                  gconstpointer user_data)
{
  const char *const values[] = { "'a\\0b'", "'\\ud800'", "'\\udc00x'", "{ '\\0': '\\ud83d' }" };

  for (gsize i = 0; i < G_N_ELEMENTS (values); i++)
    {
      g_autofree char *script = g_strdup_printf (
        "const value = %s;"
        "return [JSON.stringify(await at.invoke('echo', value)) === JSON.stringify(value),"
        "        await caught(at.invoke('echo-node', value))]",
        values[i]);

      g_test_message ("%s", values[i]);
      assert_starts (run (fixture, script), "[true,\"INVALID_ARGUMENTS: ");
    }

  g_assert_cmpstr (run (fixture,
                        "return await at.invoke('echo-node', '\\u2028\\u{1f600}\\ufffe');"),
                   ==, "\"\342\200\250😀\357\277\276\"");
  assert_works (fixture);
}

static void
test_odd_keys (Fixture *fixture,
               gconstpointer user_data)
{
  g_assert_cmpstr (run (fixture,
                        "const value = JSON.parse('{\"__proto__\":{\"x\":1},\"constructor\":2}');"
                        "const seen = [];"
                        "for (const name of ['echo', 'echo-node']) {"
                        "  const back = await at.invoke(name, value);"
                        "  seen.push(Object.hasOwn(back, '__proto__'), back.x === undefined,"
                        "            back.constructor);"
                        "}"
                        "return seen;"),
                   ==, "[true,true,2,true,true,2]");
  assert_works (fixture);
}

static void
test_errors (Fixture *fixture,
             gconstpointer user_data)
{
  g_autofree char *expected = g_strdup_printf ("[\"g-io-error-quark\",%d,"
                                               "\"No “thing” here\\n\\\"quoted\\\"\",true]",
                                               G_IO_ERROR_NOT_FOUND);

  g_assert_cmpstr (run (fixture,
                        "try { await at.invoke('fail') } catch (e) {"
                        "  return [e.domain, e.code, e.message, e instanceof Error] }"),
                   ==, expected);
  assert_starts (run (fixture, "return await at.invoke('drop');"), "NOT_ANSWERED: ");
  assert_starts (run (fixture, "return await at.invoke('bytes');"), "INVALID_RESULT: ");
  assert_works (fixture);
}

static void
test_too_large (Fixture *fixture,
                gconstpointer user_data)
{
  at_webkit_bridge_set_max_message_size (fixture->bridge, 1000);
  webkit_web_view_reload (fixture->view);
  wait_loaded (fixture);

  assert_starts (run (fixture, "return await at.invoke('echo', 'x'.repeat(1000));"), "TOO_LARGE: ");
  /* Fewer characters than the limit, but more bytes: the page lets it pass. */
  assert_starts (run (fixture, "return await at.invoke('echo', 'ü'.repeat(600));"), "TOO_LARGE: ");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 0);
  assert_starts (run (fixture, "return await at.invoke('large');"), "TOO_LARGE: ");
  assert_works (fixture);
}

static void
test_stopped_portal (Fixture *fixture,
                     gconstpointer user_data)
{
  at_portal_stop (fixture->portal, FALSE);
  assert_starts (run (fixture, "return await at.invoke('echo');"), "NOT_RUNNING: ");
}

/* Ends */

static void
test_abort (Fixture *fixture,
            gconstpointer user_data)
{
  start (fixture,
         "globalThis.stop = new AbortController();"
         "globalThis.call = at.invoke('hold', null, { signal: stop.signal });");
  wait_for (&fixture->n_calls, 1);
  g_assert_cmpstr (run (fixture,
                        "stop.abort('enough');"
                        "try { await call } "
                        "catch (e) { return [e.name, e.domain, e.code, e.cause] }"),
                   ==, "[\"AbortError\",\"g-io-error-quark\",19,\"enough\"]");
  wait_for (&fixture->n_cancelled, 1);
  release_held (fixture);

  assert_starts (run (fixture,
                      "return await at.invoke('hold', null, { signal: AbortSignal.abort() });"),
                 "g-io-error-quark 19: ");
  assert_works (fixture);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 2);
}

static void
test_reload (Fixture *fixture,
             gconstpointer user_data)
{
  start (fixture, "at.invoke('hold'); at.invoke('hold');");
  wait_for (&fixture->n_calls, 2);
  webkit_web_view_reload (fixture->view);
  wait_loaded (fixture);
  wait_for (&fixture->n_cancelled, 2);
  release_held (fixture);
  assert_works (fixture);
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 3);
}

static void
test_same_document (Fixture *fixture,
                    gconstpointer user_data)
{
  start (fixture, "globalThis.call = at.invoke('hold');");
  wait_for (&fixture->n_calls, 1);
  run (fixture, "history.pushState({}, '', '/elsewhere'); location.hash = 'x';");
  assert_works (fixture);
  release_held (fixture);
  g_assert_cmpstr (run (fixture, "return await call;"), ==, "\"late\"");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_cancelled), ==, 0);
}

static void
test_navigate (Fixture *fixture,
               gconstpointer user_data)
{
  start (fixture, "at.invoke('hold');");
  wait_for (&fixture->n_calls, 1);
  load (fixture, "at://app/second");
  wait_for (&fixture->n_cancelled, 1);
  assert_works (fixture);
}

static void
test_back (Fixture *fixture,
           gconstpointer user_data)
{
  start (fixture,
         "addEventListener('pageshow', e => { globalThis.persisted = e.persisted });"
         "at.invoke('hold').catch(e => { globalThis.failure = e });");
  wait_for (&fixture->n_calls, 1);
  load (fixture, "at://app/second");
  wait_for (&fixture->n_cancelled, 1);
  webkit_web_view_go_back (fixture->view);
  wait_loaded (fixture);
  assert_works (fixture);
  /* Whether the cache kept the page is WebKit's to decide; if so, its call must have failed. */
  if (g_str_equal (run (fixture, "return !!globalThis.persisted;"), "true"))
    g_assert_cmpstr (run (fixture, "return failure.code === at.ErrorCode.GONE;"), ==, "true");
  else
    g_test_message ("The page was not kept");
}

static void
test_foreign_page (Fixture *fixture,
                   gconstpointer user_data)
{
  start (fixture, "at.invoke('hold');");
  wait_for (&fixture->n_calls, 1);
  load (fixture, "other://host/page");
  wait_for (&fixture->n_cancelled, 1);
  g_assert_cmpstr (run (fixture, "return typeof at;"), ==, "\"undefined\"");
  assert_contains (run (fixture,
                        "return await webkit.messageHandlers.asynctools.postMessage('x')"
                        "  .catch(e => e.message);"),
                   "at-error-quark");
  load (fixture, "at://app/page");
  assert_works (fixture);
}

static GPid
find_web_process (GPid parent)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task/%d/children", parent, parent);
  g_autofree char *children = NULL;
  g_auto (GStrv) pids = NULL;
  GPid found = 0;

  if (!g_file_get_contents (path, &children, NULL, NULL))
    return 0;

  pids = g_strsplit (g_strchomp (children), " ", -1);
  for (gsize i = 0; pids[i] != NULL && *pids[i] != '\0' && found == 0; i++)
    {
      GPid pid = atoi (pids[i]);
      g_autofree char *name_path = g_strdup_printf ("/proc/%d/comm", pid);
      g_autofree char *name = NULL;

      if (g_file_get_contents (name_path, &name, NULL, NULL) &&
          g_str_has_prefix (name, "WebKitWebProces"))
        found = pid;
      else
        found = find_web_process (pid);
    }

  return found;
}

static void
test_crash (Fixture *fixture,
            gconstpointer user_data)
{
  GPid pid;

  start (fixture, "at.invoke('take', { channel: new at.Channel(() => {}) }); at.invoke('hold');");
  wait_for (&fixture->n_calls, 1);
  pid = find_web_process (getpid ());
  g_assert_cmpint (pid, >, 0);
  kill (pid, SIGKILL);
  wait_for (&fixture->n_cancelled, 1);
  g_assert_cmpstr (fixture->reason, !=, NULL);
  g_assert_false (at_webkit_channel_try_send (fixture->channel, "1", NULL));
  release_held (fixture);
  load (fixture, "at://app/page");
  assert_works (fixture);
}

static void
test_window_closed (Fixture *fixture,
                    gconstpointer user_data)
{
  start (fixture, "at.invoke('hold');");
  wait_for (&fixture->n_calls, 1);
  gtk_window_destroy (GTK_WINDOW (g_steal_pointer (&fixture->window)));
  g_clear_object (&fixture->view);
  wait_for (&fixture->n_cancelled, 1);
  g_assert_null (at_webkit_bridge_get_view (fixture->bridge));
  release_held (fixture);
}

static void
test_closed (Fixture *fixture,
             gconstpointer user_data)
{
  start (fixture, "globalThis.call = at.invoke('hold');");
  wait_for (&fixture->n_calls, 1);
  at_webkit_bridge_close (fixture->bridge);
  at_webkit_bridge_close (fixture->bridge);
  wait_for (&fixture->n_cancelled, 1);
  assert_starts (run (fixture, "return await call;"), "GONE: ");
  assert_starts (run (fixture, "return await at.invoke('echo');"), "GONE: ");
  load (fixture, "at://app/page");
  g_assert_cmpstr (run (fixture, "return typeof at;"), ==, "\"undefined\"");

  g_assert_finalize_object (fixture->bridge);
  fixture->bridge = at_webkit_bridge_new (fixture->view, fixture->portal, fixture->commands);
  load (fixture, "at://app/page");
  assert_works (fixture);
}

/* Who may call */

static void
test_allowed_uris (Fixture *fixture,
                   gconstpointer user_data)
{
  const char *const other[] = { "other://host/*", "no pattern", NULL };

  at_webkit_bridge_set_allowed_uris (fixture->bridge, other);
  load (fixture, "at://app/page");
  g_assert_cmpstr (run (fixture, "return typeof at;"), ==, "\"undefined\"");
  load (fixture, "other://host/page");
  assert_works (fixture);

  at_webkit_bridge_set_allowed_uris (fixture->bridge, NULL);
  g_assert_cmpuint (g_strv_length ((char **) at_webkit_bridge_get_allowed_uris (fixture->bridge)),
                    ==, 0);
  load (fixture, "other://host/page");
  g_assert_cmpstr (run (fixture, "return typeof at;"), ==, "\"undefined\"");

  at_webkit_bridge_set_allowed_uris (fixture->bridge, other + 1);
  load (fixture, "other://host/page");
  g_assert_cmpstr (run (fixture, "return typeof at;"), ==, "\"undefined\"");
}

static void
test_resource_page (Fixture *fixture,
                    gconstpointer user_data)
{
  webkit_web_view_load_html (fixture->view, "<!DOCTYPE html>", "resource:///org/example/page.html");
  wait_loaded (fixture);
  assert_works (fixture);
  webkit_web_view_load_html (fixture->view, "<!DOCTYPE html>", NULL);
  wait_loaded (fixture);
  g_assert_cmpstr (run (fixture, "return typeof at;"), ==, "\"undefined\"");
}

static void
test_frames (Fixture *fixture,
             gconstpointer user_data)
{
  const char *seen;

  start (fixture,
         "globalThis.seen = new Promise(resolve => { const all = [];"
         "  addEventListener('message',"
         "    e => { all.push(e.data); if (all.length === 2) resolve(all) });"
         "});"
         "for (const frame of document.querySelectorAll('iframe')) frame.src = frame.src;");
  seen = run (fixture,
              "return (await seen).map(({ answer, at: type }) =>"
              "  [type, JSON.parse(answer).code === at.ErrorCode.PERMISSION_DENIED]);");
  g_assert_cmpstr (seen, ==, "[[\"undefined\",true],[\"undefined\",true]]");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 0);
  assert_works (fixture);
}

/* A script that runs before the bridge's learns what it sends. Only the application can add one. */
static void
spy (Fixture *fixture)
{
  g_autoptr (WebKitUserScript) script = NULL;
  WebKitUserContentManager *manager;
  static const char source[] =
    "(() => {"
    "  const handler = webkit.messageHandlers.asynctools;"
    "  const post = handler.postMessage.bind(handler);"
    "  globalThis.sent = [];"
    "  globalThis.raw = text => post(text).then(v => `resolved ${v}`, e => e.message);"
    "  handler.postMessage = text => { sent.push(text); return post(text) };"
    "})()";

  manager = webkit_web_view_get_user_content_manager (fixture->view);
  script = webkit_user_script_new (source, WEBKIT_USER_CONTENT_INJECT_TOP_FRAME,
                                   WEBKIT_USER_SCRIPT_INJECT_AT_DOCUMENT_START, NULL, NULL);
  webkit_user_content_manager_add_script (manager, script);
  /* Put the bridge's own behind it. */
  at_webkit_bridge_set_max_message_size (fixture->bridge, 10000);
  load (fixture, "at://app/spied");
}

static void
test_hostile_messages (Fixture *fixture,
                       gconstpointer user_data)
{
  static const struct
  {
    const char *message;
    const char *answer;
  } messages[] = {
    { "''", "PERMISSION_DENIED" },
    { "'{}'", "PERMISSION_DENIED" },
    { "{ command: 'echo' }", "PERMISSION_DENIED" },
    { "null", "PERMISSION_DENIED" },
    { "'0'.repeat(32) + sent[0].slice(32)", "PERMISSION_DENIED" },
    { "sent[0].slice(0, 32)", "PERMISSION_DENIED" },
    { "sent[0].slice(0, 66)", "PERMISSION_DENIED" },
    { "`${head} `", "PERMISSION_DENIED" },
    { "`${head} invoke\\n`", "PERMISSION_DENIED" },
    { "`${head} invoke -1\\n`", "PERMISSION_DENIED" },
    { "`${head} invoke 99999999999\\n`", "PERMISSION_DENIED" },
    { "`${head} invoke 900 ${Array(99).fill(1)}\\n`", "PERMISSION_DENIED" },
    { "`${head} invoke 901\\necho\\n\\n\"\\0\"`", "PERMISSION_DENIED" },
    { "`${head.slice(0, 33)}${'0'.repeat(32)} invoke 902\\necho\\n\\n`", "GONE" },
    { "`${head} fly 903\\n`", "INVALID_ARGUMENTS" },
    { "sent[0]", "INVALID_ARGUMENTS" },
    { "`${head} invoke 0\\necho\\n\\n`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 904\\n`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 905\\necho`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 906\\necho\\nheader\\n\\n`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 907\\necho\\n\\nno JSON`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 908\\necho\\n\\n[1,]`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 909\\necho\\n\\n${'['.repeat(5000)}`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 910\\necho\\n\\n\"\\ud800\"`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 910\\necho\\n\\n1`", "INVALID_ARGUMENTS" },
    { "`${head} invoke 911\\necho\\n\\n${' '.repeat(20000)}`", "TOO_LARGE" },
    { "`${head} cancel 12345\\n`", NULL },
    { "`${head} close 12345\\n`", NULL },
  };

  spy (fixture);
  run (fixture, "globalThis.head = sent[0].slice(0, 65);");
  for (gsize i = 0; i < G_N_ELEMENTS (messages); i++)
    {
      g_autofree char *script = g_strdup_printf (
        "const answer = await raw(%s);"
        "return answer.startsWith('resolved') ? answer : nameOf(JSON.parse(answer));",
        messages[i].message);
      g_autofree char *expected = g_strdup_printf ("\"%s\"", messages[i].answer != NULL
                                                               ? messages[i].answer
                                                               : "resolved null");

      g_test_message ("%s", messages[i].message);
      g_assert_cmpstr (run (fixture, script), ==, expected);
    }
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 0);

  /* A call of another document's, and one that was made before, are not made again. */
  load (fixture, "at://app/spied");
  assert_works (fixture);
  assert_contains (run (fixture, "return await raw(sent.at(-1));"), "at-error-quark");
  g_assert_cmpint (g_atomic_int_get (&fixture->n_calls), ==, 1);
  assert_works (fixture);
}

static void
test_second_bridge (Fixture *fixture,
                    gconstpointer user_data)
{
  g_autoptr (AtWebKitBridge) second = NULL;

  g_test_expect_message ("AsyncTools-WebKit", G_LOG_LEVEL_CRITICAL, "*another AtWebKitBridge*");
  second = at_webkit_bridge_new (fixture->view, fixture->portal, fixture->commands);
  g_test_assert_expected_messages ();
  g_assert_null (at_webkit_bridge_get_view (second));
  g_assert_cmpstr (run (fixture, "return typeof at;"), ==, "\"object\"");
  assert_works (fixture);
}

static void
test_bare (void)
{
  g_autoptr (AtWebKitBridge) bridge = g_object_new (AT_WEBKIT_TYPE_BRIDGE, NULL);
  g_autoptr (AtWebKitChannel) channel = g_object_new (AT_WEBKIT_TYPE_CHANNEL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (at_webkit_bridge_get_view (bridge));
  g_assert_null (at_webkit_bridge_get_portal (bridge));
  g_assert_null (at_webkit_bridge_get_commands (bridge));
  at_webkit_bridge_set_allowed_uris (bridge, NULL);
  at_webkit_bridge_close (bridge);
  g_assert_false (at_webkit_channel_try_send (channel, "1", &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);
  at_webkit_channel_close (channel, NULL);
}

/* Channels */

static void
test_channel_order (Fixture *fixture,
                    gconstpointer user_data)
{
  /* The answer comes last, however fast it is. */
  g_assert_cmpstr (run (fixture,
                        "const got = [];"
                        "let closed = false;"
                        "const channel = new at.Channel(m => got.push(m), () => { closed = true });"
                        "const answer = await at.invoke('progress', { channel });"
                        "return [answer, got.length, got.every((m, i) => m === i), closed];"),
                   ==, "[\"done\",1000,true,true]");
  g_assert_cmpstr (run (fixture,
                        "let late = 0;"
                        "for (let i = 0; i < 50; i++) {"
                        "  let got = 0;"
                        "  await at.invoke('burst', { channel: new at.Channel(() => got++) });"
                        "  late += 2 - got;"
                        "}"
                        "return late;"),
                   ==, "0");
}

static void
take_channel (Fixture *fixture)
{
  run (fixture,
       "globalThis.got = []; globalThis.ended = [];"
       "globalThis.channel = new at.Channel(m => got.push(m), e => ended.push(e && show(e)));"
       "await at.invoke('take', { channel });");
  g_assert_nonnull (fixture->channel);
}

static void
on_sent (GObject *source,
         GAsyncResult *result,
         gpointer user_data)
{
  GError **error = user_data;

  if (at_webkit_channel_send_finish (AT_WEBKIT_CHANNEL (source), result, error))
    *error = g_error_new_literal (g_quark_from_static_string ("sent"), 0, "sent");
}

static void
wait_sent (GError **error)
{
  while (*error == NULL)
    g_main_context_iteration (NULL, TRUE);
}

/* Without running the main loop, so that the page cannot fetch. */
static guint
fill (AtWebKitChannel *channel)
{
  g_autofree char *text = g_strnfill (10000, '1');
  g_autoptr (GError) error = NULL;
  guint n = 0;

  while (at_webkit_channel_try_send (channel, text, &error))
    n++;
  g_assert_error (error, AT_ERROR, AT_ERROR_WOULD_BLOCK);
  g_assert_cmpuint (n, <, 1000);
  return n;
}

static void
test_channel_window (Fixture *fixture,
                     gconstpointer user_data)
{
  g_autoptr (GError) first = NULL;
  g_autoptr (GError) second = NULL;
  g_autoptr (GError) cancelled = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autofree char *expected = NULL;
  guint n;

  take_channel (fixture);
  n = fill (fixture->channel);
  at_webkit_channel_send_async (fixture->channel, "\"first\"", NULL, on_sent, &first);
  at_webkit_channel_send_async (fixture->channel, "\"never\"", cancellable, on_sent, &cancelled);
  at_webkit_channel_send_async (fixture->channel, "\"second\"", NULL, on_sent, &second);
  g_cancellable_cancel (cancellable);
  wait_sent (&cancelled);
  wait_sent (&second);
  g_assert_cmpstr (first->message, ==, "sent");
  g_assert_cmpstr (second->message, ==, "sent");
  g_assert_error (cancelled, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  g_assert_false (at_webkit_channel_try_send (fixture->channel, "{", &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS);

  g_clear_object (&fixture->channel);
  expected = g_strdup_printf ("[%u,\"first\",\"second\",[null]]", n + 2);
  g_assert_cmpstr (run (fixture,
                        "while (channel.open) await new Promise(r => setTimeout(r));"
                        "return [got.length, ...got.slice(-2), ended];"),
                   ==, expected);
}

static void
test_channel_fails (Fixture *fixture,
                    gconstpointer user_data)
{
  g_autoptr (GError) reason = g_error_new_literal (AT_ERROR, AT_ERROR_LIMIT_EXCEEDED, "enough");
  g_autoptr (GError) error = NULL;

  take_channel (fixture);
  g_assert_true (at_webkit_channel_try_send (fixture->channel, "1", NULL));
  at_webkit_channel_close (fixture->channel, reason);
  g_assert_false (at_webkit_channel_try_send (fixture->channel, "2", &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);
  g_assert_cmpstr (run (fixture,
                        "while (channel.open) await new Promise(r => setTimeout(r));"
                        "return [got, ended];"),
                   ==, "[[1],[\"LIMIT_EXCEEDED: enough\"]]");
  assert_starts (run (fixture, "return await at.invoke('take', { channel });"),
                 "INVALID_ARGUMENTS: ");
}

static void
test_channel_page_closes (Fixture *fixture,
                          gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) waiting = NULL;

  take_channel (fixture);
  fill (fixture->channel);
  at_webkit_channel_send_async (fixture->channel, "1", NULL, on_sent, &waiting);
  /* The page's close overtakes nothing: what was sent has arrived, what waits may have. */
  g_assert_cmpstr (run (fixture, "channel.close(); channel.close(); return [channel.open, ended];"),
                   ==, "[false,[null]]");
  wait_sent (&waiting);
  run (fixture, "await at.invoke('echo');");
  g_assert_false (at_webkit_channel_try_send (fixture->channel, "1", &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_BROKEN);
  assert_works (fixture);
}

static void
test_channel_left (Fixture *fixture,
                   gconstpointer user_data)
{
  g_autoptr (GError) error = NULL;

  take_channel (fixture);
  webkit_web_view_reload (fixture->view);
  wait_loaded (fixture);
  g_assert_false (at_webkit_channel_try_send (fixture->channel, "1", &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_GONE);
  g_clear_error (&error);
  at_webkit_channel_send_async (fixture->channel, "1", NULL, on_sent, &error);
  wait_sent (&error);
  g_assert_error (error, AT_ERROR, AT_ERROR_GONE);
  assert_works (fixture);
}

static void
test_channel_of_ended_call (Fixture *fixture,
                            gconstpointer user_data)
{
  /* Nobody took it, so nobody can send any more. */
  g_assert_cmpstr (run (fixture,
                        "const ended = [];"
                        "for (const name of ['fail', 'drop', 'nothing', 'echo']) {"
                        "  const channel = new at.Channel(() => {}, e => ended.push(e));"
                        "  await at.invoke(name, { channel }).catch(() => {});"
                        "  while (channel.open) await new Promise(r => setTimeout(r));"
                        "}"
                        "return ended;"),
                   ==, "[null,null,null,null]");
}

static void
test_channel_of_aborted_call (Fixture *fixture,
                              gconstpointer user_data)
{
  g_assert_cmpstr (run (fixture,
                        "const stop = new AbortController(), ended = [];"
                        "const channel = new at.Channel(() => {}, e => ended.push(e.name));"
                        "const call = at.invoke('hold', { channel }, { signal: stop.signal });"
                        "await at.invoke('echo'); const before = channel.open;"
                        "stop.abort(); await call.catch(() => {});"
                        "return [before, channel.open, ended];"),
                   ==, "[true,false,[\"AbortError\"]]");
  release_held (fixture);
}

static void
test_channel_callback_throws (Fixture *fixture,
                              gconstpointer user_data)
{
  take_channel (fixture);
  g_assert_cmpstr (run (fixture,
                        "let seen = 0; const reported = new Promise(r => addEventListener('error',"
                        "  e => { e.preventDefault(); r(e.message) }));"
                        "const channel = new at.Channel("
                        "  () => { if (seen++ === 0) throw Error('no') });"
                        "await at.invoke('progress', { channel });"
                        "return [seen, (await reported).includes('no')];"),
                   ==, "[1000,true]");
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc,
      char *argv[])
{
  /* WebKit makes a folder of this name for the page's process. */
  g_set_prgname ("test-bridge");
  /* A machine without accessibility is no failure. */
  g_setenv ("GTK_A11Y", "none", TRUE);

  if (!gtk_init_check ())
    {
      g_print ("1..0 # SKIP no display\n");
      return 0;
    }

  g_test_init (&argc, &argv, NULL);

  ADD ("/bridge/invoke/values-arrive-and-return", test_values);
  ADD ("/bridge/invoke/many-at-once", test_concurrent);
  ADD ("/bridge/invoke/handler-knows-sender-headers-and-portal", test_context);
  ADD ("/bridge/invoke/page-cannot-change-it", test_frozen);
  ADD ("/bridge/invoke/page-and-types-know-the-error-codes", test_error_codes);
  ADD ("/bridge/invoke/unknown-command-rejects", test_unknown_command);
  ADD ("/bridge/invoke/wrong-shape-rejects", test_wrong_shape);
  ADD ("/bridge/invoke/what-is-no-json-rejects-in-the-page", test_refused_arguments);
  ADD ("/bridge/invoke/odd-strings-arrive-as-text", test_odd_strings);
  ADD ("/bridge/invoke/odd-keys-arrive", test_odd_keys);
  ADD ("/bridge/invoke/errors-keep-domain-code-and-message", test_errors);
  ADD ("/bridge/invoke/too-large-rejects", test_too_large);
  ADD ("/bridge/invoke/stopped-portal-rejects", test_stopped_portal);
  ADD ("/bridge/end/abort-cancels", test_abort);
  ADD ("/bridge/end/reload-cancels", test_reload);
  ADD ("/bridge/end/same-document-navigation-cancels-nothing", test_same_document);
  ADD ("/bridge/end/navigation-cancels", test_navigate);
  ADD ("/bridge/end/page-comes-back", test_back);
  ADD ("/bridge/end/crash-cancels", test_crash);
  ADD ("/bridge/end/closing-the-window-cancels", test_window_closed);
  ADD ("/bridge/end/closing-the-bridge-cancels", test_closed);
  ADD ("/bridge/access/foreign-page-is-refused", test_foreign_page);
  ADD ("/bridge/access/allowed-uris-decide", test_allowed_uris);
  ADD ("/bridge/access/resources-are-allowed", test_resource_page);
  g_test_add ("/bridge/access/frames-are-refused", Fixture, "at://app/frames", set_up, test_frames,
              tear_down);
  ADD ("/bridge/access/hostile-messages-are-refused", test_hostile_messages);
  ADD ("/bridge/access/one-bridge-for-a-view", test_second_bridge);
  g_test_add_func ("/bridge/bare-objects-are-valid", test_bare);
  ADD ("/channel/answer-does-not-overtake", test_channel_order);
  ADD ("/channel/window-bounds-what-waits", test_channel_window);
  ADD ("/channel/closed-with-a-reason", test_channel_fails);
  ADD ("/channel/closed-by-the-page", test_channel_page_closes);
  ADD ("/channel/left-with-the-page", test_channel_left);
  ADD ("/channel/ends-with-a-call-that-did-not-take-it", test_channel_of_ended_call);
  ADD ("/channel/ends-with-an-aborted-call", test_channel_of_aborted_call);
  ADD ("/channel/throwing-callback-keeps-nothing-back", test_channel_callback_throws);

  return g_test_run ();
}
