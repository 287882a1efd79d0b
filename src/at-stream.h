/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-statistics.h"
#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_SEND_STREAM (at_send_stream_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtSendStream, at_send_stream, AT, SEND_STREAM, GObject)

#define AT_TYPE_RECEIVE_STREAM (at_receive_stream_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtReceiveStream, at_receive_stream, AT, RECEIVE_STREAM, GObject)

AT_AVAILABLE_IN_ALL
void             at_stream_new                              (guint                 capacity,
                                                             AtSendStream        **send,
                                                             AtReceiveStream     **receive);

AT_AVAILABLE_IN_ALL
gboolean         at_send_stream_send                        (AtSendStream         *self,
                                                             const GValue         *value,
                                                             GCancellable         *cancellable,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
void             at_send_stream_send_async                  (AtSendStream         *self,
                                                             const GValue         *value,
                                                             GCancellable         *cancellable,
                                                             GAsyncReadyCallback   callback,
                                                             gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean         at_send_stream_send_finish                 (AtSendStream         *self,
                                                             GAsyncResult         *result,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
gboolean         at_send_stream_try_send                    (AtSendStream         *self,
                                                             const GValue         *value,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
AtSendStream    *at_send_stream_clone                       (AtSendStream         *self) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
void             at_send_stream_close                       (AtSendStream         *self);
AT_AVAILABLE_IN_ALL
AtStatistics    *at_send_stream_get_statistics              (AtSendStream         *self) G_GNUC_WARN_UNUSED_RESULT;

AT_AVAILABLE_IN_ALL
GValue          *at_receive_stream_receive                  (AtReceiveStream      *self,
                                                             GCancellable         *cancellable,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
const GValue    *at_receive_stream_receive_borrowed         (AtReceiveStream      *self,
                                                             GCancellable         *cancellable,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
void             at_receive_stream_receive_async            (AtReceiveStream      *self,
                                                             GCancellable         *cancellable,
                                                             GAsyncReadyCallback   callback,
                                                             gpointer              user_data);
AT_AVAILABLE_IN_ALL
GValue          *at_receive_stream_receive_finish           (AtReceiveStream      *self,
                                                             GAsyncResult         *result,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
const GValue    *at_receive_stream_receive_finish_borrowed  (AtReceiveStream      *self,
                                                             GAsyncResult         *result,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
GValue          *at_receive_stream_try_receive              (AtReceiveStream      *self,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
const GValue    *at_receive_stream_try_receive_borrowed     (AtReceiveStream      *self,
                                                             GError              **error);
AT_AVAILABLE_IN_ALL
AtReceiveStream *at_receive_stream_clone                    (AtReceiveStream      *self) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
void             at_receive_stream_close                    (AtReceiveStream      *self);
AT_AVAILABLE_IN_ALL
AtStatistics    *at_receive_stream_get_statistics           (AtReceiveStream      *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
