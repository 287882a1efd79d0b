/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <webkit/webkit.h>

G_BEGIN_DECLS

#define DEMO_PAGE_ORIGIN "at://app/"

void demo_page_register (WebKitWebContext *context);

G_END_DECLS
