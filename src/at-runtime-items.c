/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-runtime-struct-private.h"

/* Posts and invokes: the items that are plain functions. */

#define POSTS_PER_CHUNK 64

typedef struct _PostChunk PostChunk;

typedef struct
{
  AtItem item;
  AtFunc func;
  gpointer user_data;
  GDestroyNotify destroy;
  PostChunk *chunk;
} Post;

/* Posts are made by one thread and freed by another, which is what malloc () is worst at. A thread
 * fills a chunk and forgets it; whoever is done with its last post frees it. */
struct _PostChunk
{
  AT_ATOMIC (guint) n_left;
  Post posts[POSTS_PER_CHUNK];
};

typedef struct
{
  AtItem item;
  AtFunc func;
  gpointer user_data;
  AtWord word;
} Invoke;

void
at_post_chunk_release (gpointer data,
                       guint used)
{
  PostChunk *chunk = data;
  guint unused = POSTS_PER_CHUNK - used;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (chunk != NULL && unused > 0 &&
      at_atomic_fetch_sub (&chunk->n_left, unused, acq_rel) == unused)
    g_free (chunk);
}

static void
post_free (Post *post)
{
  PostChunk *chunk = post->chunk;

  if (at_atomic_fetch_sub (&chunk->n_left, 1, acq_rel) == 1)
    g_free (chunk);
}

gboolean
at_runtime_post (AtRuntime *self,
                 AtFunc func,
                 gpointer user_data,
                 GDestroyNotify destroy)
{
  AtThread *thread = at_thread_self ();
  PostChunk *chunk = thread->post_chunk;
  Post *post;

  if (chunk == NULL || thread->post_chunk_used == POSTS_PER_CHUNK)
    {
      chunk = g_malloc (sizeof *chunk);
      at_atomic_init (&chunk->n_left, POSTS_PER_CHUNK);
      thread->post_chunk = chunk;
      thread->post_chunk_used = 0;
    }

  post = &chunk->posts[thread->post_chunk_used++];
  post->item.kind = AT_ITEM_POST;
  post->func = func;
  post->user_data = user_data;
  post->destroy = destroy;
  post->chunk = chunk;

  if (G_LIKELY (at_runtime_push (self, &post->item)))
    return TRUE;

  thread->post_chunk_used--;
  return FALSE;
}

gboolean
at_runtime_invoke (AtRuntime *self,
                   AtFunc func,
                   gpointer user_data)
{
  Invoke invoke;

  invoke.item.kind = AT_ITEM_INVOKE;
  invoke.func = func;
  invoke.user_data = user_data;
  at_atomic_init (&invoke.word, 0u);

  if (!at_runtime_push (self, &invoke.item))
    return FALSE;

  at_thread_wait_word (&invoke.word, AT_COMPLETION_DONE, G_MAXINT64, NULL);
  return TRUE;
}

void
at_runtime_run_item (AtItem *item)
{
  if (item->kind == AT_ITEM_POST)
    {
      Post *post = (Post *) item;

      post->func (post->user_data);
      if (post->destroy != NULL)
        post->destroy (post->user_data);
      post_free (post);
    }
  else
    {
      Invoke *invoke = (Invoke *) item;

      invoke->func (invoke->user_data);
      /* The last access: the caller's stack frame may be gone. */
      at_completion_finish (&invoke->word, 0);
    }
}
