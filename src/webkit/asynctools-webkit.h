/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#define AT_WEBKIT_INSIDE

#include "at-webkit-bridge.h"
#include "at-webkit-channel.h"

#undef AT_WEBKIT_INSIDE
