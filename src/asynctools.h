/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define AT_INSIDE

#include "at-cancel-scope.h"
#include "at-enum-types.h"
#include "at-error.h"
#include "at-future.h"
#include "at-portal.h"
#include "at-types.h"
#include "at-version.h"

#undef AT_INSIDE
