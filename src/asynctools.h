/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define AT_INSIDE

#include "at-cancel-scope.h"
#include "at-commands.h"
#include "at-capacity-limiter.h"
#include "at-condition.h"
#include "at-enum-types.h"
#include "at-error.h"
#include "at-event-bus.h"
#include "at-event.h"
#include "at-file-entry.h"
#include "at-file-tasks.h"
#include "at-future.h"
#include "at-invocation.h"
#include "at-lock.h"
#include "at-managed.h"
#include "at-manager.h"
#include "at-portal-provider.h"
#include "at-portal.h"
#include "at-semaphore.h"
#include "at-sleep.h"
#include "at-statistics.h"
#include "at-stream.h"
#include "at-task-group.h"
#include "at-types.h"
#include "at-version.h"
#include "at-worker-pool.h"

#undef AT_INSIDE
