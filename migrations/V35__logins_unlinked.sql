-- A login has an id, by which its person names it, and the address that the provider told us when it
-- was linked: what distinguishes two of one provider for people.
alter table identity.oidc_login
    add column id uuid not null default gen_random_uuid(),
    add column email text check (length(email) <= 254),
    add constraint oidc_login_id_key unique (id);
grant delete on identity.oidc_login to rowlock_app;
