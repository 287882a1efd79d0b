/* SPDX-License-Identifier: LGPL-2.1-or-later */
using At;

Portal start (string name = "io") {
  try {
    return new Portal (name);
  } catch (Error error) {
    GLib.error ("%s", error.message);
  }
}

void end (Portal portal) {
  portal.stop (true);
  try {
    portal.wait_stopped ();
  } catch (Error error) {
    GLib.error ("%s", error.message);
  }
}

void no_error (Error error) {
  GLib.error ("an error that nobody expects: %s", error.message);
}

/* A body that returns its task later, and on the portal's thread. */
async void answer_later (Task task, int answer) {
  var source = new IdleSource ();
  source.set_callback (answer_later.callback);
  source.attach (MainContext.get_thread_default ());
  yield;
  task.return_value (answer);
}

/* A body that waits until it is cancelled. */
async void wait_for_cancellation (Task task) {
  var scope = (CancelScope) task.get_cancellable ();
  try {
    yield scope.wait_async ();
  } catch (Error error) {
    no_error (error);
  }
  assert (task.return_error_if_cancelled ());
}

void call_value_comes_back () {
  var io = start ();
  try {
    assert (io.call (null, (task) => task.return_value (42)).get_int () == 42);
    assert (io.call (null, (task) => task.return_value ("naïve")).get_string () == "naïve");
    var nothing = io.call (null, (task) => task.return_value (null));
    assert (nothing.holds (typeof (void*)) && nothing.get_pointer () == null);
    assert (io.call (null, (task) => answer_later.begin (task, 5)).get_int () == 5);
  } catch (Error error) {
    no_error (error);
  }
  end (io);
}

void call_error_keeps_domain_code_and_message () {
  var io = start ();
  try {
    io.call (null, (task) => task.return_error (new IOError.NOT_FOUND ("the file is gone")));
    assert_not_reached ();
  } catch (IOError.NOT_FOUND error) {
    assert_cmpstr (error.message, CompareOperator.EQ, "the file is gone");
  } catch (Error error) {
    no_error (error);
  }
  end (io);
}

void call_own_thread_is_refused () {
  var io = start ();
  try {
    io.call (null, (task) => {
      try {
        io.call (null, (inner) => inner.return_value (1));
        assert_not_reached ();
      } catch (AsyncError.WRONG_THREAD error) {
        task.return_value (true);
      } catch (Error error) {
        no_error (error);
      }
    });
  } catch (Error error) {
    no_error (error);
  }
  end (io);
}

async void call_async_steps (Portal io) throws Error {
  var captured = "captured";
  var answer = yield io.call_async (null, (task) => task.return_value (captured + " string"));
  assert (answer.get_string () == "captured string");

  answer = yield io.call_async (null, (task) => answer_later.begin (task, 7));
  assert (answer.get_int () == 7);
  assert (!io.is_owner ());

  try {
    yield io.call_async (null, (task) => task.return_error (new IOError.NOT_FOUND ("gone")));
    assert_not_reached ();
  } catch (IOError.NOT_FOUND error) {
    assert_cmpstr (error.message, CompareOperator.EQ, "gone");
  }

  var future = io.spawn (null, (task) => {
    task_started (task, "up");
    answer_later.begin (task, 8);
  });
  answer = yield future.wait_started_async ();
  assert (answer.get_string () == "up");
  yield future.wait_async ();
  assert (future.get_value ().get_int () == 8);

  var scope = new CancelScope ();
  future = io.spawn (scope, (task) => wait_for_cancellation.begin (task));
  scope.set_timeout (1000);
  yield scope.wait_async ();
  assert (scope.get_timed_out ());
  yield future.wait_async ();
  assert (future.get_state () == FutureState.CANCELLED);
  try {
    future.get_value ();
    assert_not_reached ();
  } catch (IOError.TIMED_OUT error) {
  }

  io.stop (false);
  yield io.wait_stopped_async ();
}

void call_async_yields () {
  var io = start ();
  var loop = new MainLoop ();
  call_async_steps.begin (io, (object, result) => {
    try {
      call_async_steps.end (result);
    } catch (Error error) {
      no_error (error);
    }
    loop.quit ();
  });
  loop.run ();
}

void post_keeps_the_order () {
  var io = start ();
  var seen = new int[0];
  try {
    for (var i = 0; i < 100; i++) {
      var number = i;
      assert (io.post (() => { seen += number; }));
    }
    assert (io.invoke (() => { seen += 100; }));
  } catch (Error error) {
    no_error (error);
  }
  assert (seen.length == 101);
  for (var i = 0; i <= 100; i++)
    assert (seen[i] == i);
  end (io);
}

void future_cancel_running_body_hears_of_it () {
  var io = start ();
  var future = io.spawn (null, (task) => {
    task_started (task, null);
    wait_for_cancellation.begin (task);
  });
  try {
    assert (future.wait_started ().get_boolean ());
    assert (future.cancel ());
    assert (future.wait ());
    assert (future.get_state () == FutureState.CANCELLED);
    future.get_value ();
    assert_not_reached ();
  } catch (IOError.CANCELLED error) {
  } catch (Error error) {
    no_error (error);
  }
  end (io);
}

void future_all_succeeds_with_all () {
  var io = start ();
  Future[] futures = {};
  try {
    for (var i = 0; i < 5; i++) {
      var number = i;
      futures += io.spawn (null, (task) => task.return_value (number));
    }
    var all = Future.all (io, futures);
    assert (all.wait () && all.get_value ().get_boolean ());
    for (var i = 0; i < 5; i++)
      assert (futures[i].get_value ().get_int () == i);

    var race = Future.race (io, futures);
    assert (race.wait () && race.get_value ().get_uint () == 0);
  } catch (Error error) {
    no_error (error);
  }
  end (io);
}

void cancel_scope_reason_is_inherited () {
  var parent = new CancelScope ();
  var child = new CancelScope (parent);
  var shielded = new CancelScope.shielded (parent);
  parent.cancel_with_reason ("enough");
  assert_cmpstr (child.get_reason (), CompareOperator.EQ, "enough");
  assert (!shielded.is_cancelled ());
  assert (child.get_effective_deadline () == int64.MIN);
  assert (shielded.get_effective_deadline () == int64.MAX);
  try {
    child.set_error_if_cancelled ();
    assert_not_reached ();
  } catch (IOError.CANCELLED error) {
    assert_cmpstr (error.message, CompareOperator.EQ, "enough");
  } catch (Error error) {
    no_error (error);
  }
}

void stop_later_calls_are_refused () {
  var io = start ();
  end (io);
  try {
    io.call (null, (task) => task.return_value (1));
    assert_not_reached ();
  } catch (AsyncError.NOT_RUNNING error) {
  } catch (Error error) {
    no_error (error);
  }
}

void unhandled_error_is_reported () {
  var io = start ();
  var loop = new MainLoop ();
  io.unhandled_error.connect ((error, name) => {
    assert (error is IOError.NOT_FOUND);
    assert_cmpstr (name, CompareOperator.EQ, "doomed");
    loop.quit ();
  });

  Test.expect_message ("AsyncTools", LogLevelFlags.LEVEL_MESSAGE, "*doomed*nobody looks*");
  var future = io.spawn (null, (task) =>
    task.return_error (new IOError.NOT_FOUND ("nobody looks")));
  future.set_name ("doomed");
  try {
    future.wait ();
  } catch (Error error) {
    no_error (error);
  }
  future = null;
  loop.run ();
  end (io);
}

int main (string[] args) {
  Test.init (ref args);
  Test.add_func ("/portal/call/value-comes-back", call_value_comes_back);
  Test.add_func ("/portal/call/error-keeps-domain-code-and-message",
                 call_error_keeps_domain_code_and_message);
  Test.add_func ("/portal/call/own-thread-is-refused", call_own_thread_is_refused);
  Test.add_func ("/portal/call-async/can-be-yielded-to", call_async_yields);
  Test.add_func ("/portal/post/keeps-the-order", post_keeps_the_order);
  Test.add_func ("/portal/stop/later-calls-are-refused", stop_later_calls_are_refused);
  Test.add_func ("/portal/unhandled-error/is-reported", unhandled_error_is_reported);
  Test.add_func ("/future/cancel/running-body-hears-of-it",
                 future_cancel_running_body_hears_of_it);
  Test.add_func ("/future/all/succeeds-with-all", future_all_succeeds_with_all);
  Test.add_func ("/cancel-scope/reason/is-inherited", cancel_scope_reason_is_inherited);
  return Test.run ();
}
