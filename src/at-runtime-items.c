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

/* A thread's posts mostly stand together, and are accounted for together. */
void
at_runtime_forget_posts (AtRuntime *self)
{
  PostChunk *chunk = g_steal_pointer (&self->post_chunk);
  guint n = self->n_posts_run;

  self->n_posts_run = 0;
  if (chunk != NULL && at_atomic_fetch_sub (&chunk->n_left, n, acq_rel) == n)
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
at_runtime_run_item (AtRuntime *self,
                     AtItem *item)
{
  if (item->kind == AT_ITEM_POST)
    {
      Post *post = (Post *) item;

      post->func (post->user_data);
      if (post->destroy != NULL)
        post->destroy (post->user_data);

      /* A nested loop may have come by meanwhile. */
      if (self->post_chunk != post->chunk)
        {
          at_runtime_forget_posts (self);
          self->post_chunk = post->chunk;
        }
      self->n_posts_run++;
    }
  else
    {
      Invoke *invoke = (Invoke *) item;

      invoke->func (invoke->user_data);
      /* The last access: the caller's stack frame may be gone. */
      at_completion_finish (&invoke->word, 0);
    }
}
