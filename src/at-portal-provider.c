/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-portal-provider.h"

/**
 * AtPortalProvider:
 *
 * One portal for everybody who needs one for a while, and none as long as nobody does.
 *
 * The first lease starts the portal, later ones share it, and the end of the last stops it: what
 * the portal had accepted still runs to its end. The next lease starts a new portal, with a new
 * thread. Libraries whose objects each need a portal use this to do with one thread.
 *
 * After anyio's `BlockingPortalProvider`.
 *
 * Thread-safe.
 *
 * Since: 0.1
 */
struct _AtPortalProvider
{
  GObject parent_instance;

  /*< fixed at construction >*/
  char *name;

  /* Held while a portal starts: whoever comes in between waits for it. */
  GMutex lock;

  /*< protected by lock >*/
  AtPortal *portal; /* NULL without leases */
  guint     n_leases;
};

enum
{
  PROP_0,
  PROP_LEASES,
  PROP_NAME,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtPortalProvider, at_portal_provider, G_TYPE_OBJECT)

static void
at_portal_provider_finalize (GObject *object)
{
  AtPortalProvider *self = AT_PORTAL_PROVIDER (object);

  g_clear_object (&self->portal);
  g_clear_pointer (&self->name, g_free);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_portal_provider_parent_class)->finalize (object);
}

static void
at_portal_provider_get_property (GObject    *object,
                                 guint       prop_id,
                                 GValue     *value,
                                 GParamSpec *pspec)
{
  AtPortalProvider *self = AT_PORTAL_PROVIDER (object);

  switch (prop_id)
    {
    case PROP_LEASES:
      g_value_set_uint (value, at_portal_provider_get_leases (self));
      break;

    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_portal_provider_set_property (GObject      *object,
                                 guint         prop_id,
                                 const GValue *value,
                                 GParamSpec   *pspec)
{
  AtPortalProvider *self = AT_PORTAL_PROVIDER (object);

  switch (prop_id)
    {
    case PROP_NAME:
      self->name = g_value_dup_string (value);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_portal_provider_class_init (AtPortalProviderClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_portal_provider_finalize;
  object_class->get_property = at_portal_provider_get_property;
  object_class->set_property = at_portal_provider_set_property;

  /**
   * AtPortalProvider:leases:
   *
   * How many leases there are, at this moment. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_LEASES] =
    g_param_spec_uint ("leases", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AtPortalProvider:name:
   *
   * The name of the portals and of their threads.
   *
   * Since: 0.1
   */
  properties[PROP_NAME] =
    g_param_spec_string ("name", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_portal_provider_init (AtPortalProvider *self)
{
  g_mutex_init (&self->lock);
}

/**
 * at_portal_provider_new:
 * @name: (nullable): the name of the portals and of their threads
 *
 * Makes a provider. It has no portal yet.
 *
 * Returns: (transfer full): the provider
 *
 * Since: 0.1
 */
AtPortalProvider *
at_portal_provider_new (const char *name)
{
  return g_object_new (AT_TYPE_PORTAL_PROVIDER, "name", name, NULL);
}

/**
 * at_portal_provider_get_name:
 * @self: a provider
 *
 * The name of the portals and of their threads.
 *
 * Returns: (transfer none) (nullable): the name
 *
 * Since: 0.1
 */
const char *
at_portal_provider_get_name (AtPortalProvider *self)
{
  g_return_val_if_fail (AT_IS_PORTAL_PROVIDER (self), NULL);

  return self->name;
}

/**
 * at_portal_provider_acquire:
 * @self: a provider
 * @error: return location for an error
 *
 * Begins a lease: starts a portal, or shares the one that runs. Every success must be followed by
 * one [method@At.PortalProvider.release].
 *
 * Fails as [ctor@At.Portal.new] does if the thread cannot be started; there is no lease then.
 *
 * Returns: (transfer full): the portal, or `NULL` with an error
 *
 * Since: 0.1
 */
AtPortal *
at_portal_provider_acquire (AtPortalProvider *self,
                            GError          **error)
{
  AtPortal *portal = NULL;

  g_return_val_if_fail (AT_IS_PORTAL_PROVIDER (self), NULL);

  g_mutex_lock (&self->lock);

  if (self->portal == NULL)
    self->portal = at_portal_new (self->name, error);

  if (self->portal != NULL)
    {
      portal = g_object_ref (self->portal);
      self->n_leases++;
    }

  g_mutex_unlock (&self->lock);

  return portal;
}

/**
 * at_portal_provider_release:
 * @self: a provider with a lease
 *
 * Ends a lease. The last one stops the portal, which still runs what it has accepted.
 *
 * This does not wait, so it may be called on the main thread and on the portal's own. Whoever
 * wants to know that the thread is gone keeps the portal, and calls
 * [method@At.Portal.wait_stopped]. Releasing without a lease is a programmer's mistake: a
 * critical, and nothing happens.
 *
 * Since: 0.1
 */
void
at_portal_provider_release (AtPortalProvider *self)
{
  g_autoptr (AtPortal) stopped = NULL;
  gboolean had_lease;

  g_return_if_fail (AT_IS_PORTAL_PROVIDER (self));

  g_mutex_lock (&self->lock);

  had_lease = self->n_leases > 0;
  if (had_lease && --self->n_leases == 0)
    stopped = g_steal_pointer (&self->portal);

  g_mutex_unlock (&self->lock);

  if (stopped != NULL)
    at_portal_stop (stopped, FALSE);

  if (!had_lease)
    g_critical ("A lease was released that nobody has; release once for each acquisition");
}

/**
 * at_portal_provider_get_leases:
 * @self: a provider
 *
 * How many leases there are; that may have changed when you know it.
 *
 * Returns: the number of leases
 *
 * Since: 0.1
 */
guint
at_portal_provider_get_leases (AtPortalProvider *self)
{
  guint n_leases;

  g_return_val_if_fail (AT_IS_PORTAL_PROVIDER (self), 0);

  g_mutex_lock (&self->lock);
  n_leases = self->n_leases;
  g_mutex_unlock (&self->lock);

  return n_leases;
}
