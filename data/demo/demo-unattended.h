/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "demo-window.h"

G_BEGIN_DECLS

/* Drives the page as a user would, prints what it shows, and quits the application. */
void     demo_unattended_start     (DemoWindow        *window,
                                    const DemoOptions *options);
gboolean demo_unattended_succeeded (void);

G_END_DECLS
