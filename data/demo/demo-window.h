/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>
#include <asynctools-webkit.h>

#include "demo-options.h"

G_BEGIN_DECLS

#define DEMO_TYPE_WINDOW (demo_window_get_type ())
G_DECLARE_FINAL_TYPE (DemoWindow, demo_window, DEMO, WINDOW, AdwApplicationWindow)

DemoWindow    *demo_window_new          (AdwApplication    *application,
                                         const DemoOptions *options,
                                         AtPortal          *portal);
WebKitWebView *demo_window_get_view     (DemoWindow        *self);

G_END_DECLS
