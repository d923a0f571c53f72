-- The schema at 9a3f5c0e17bd: what the migrations say to an empty database. See record.py.
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
SET LOCAL lock_timeout = '5s';
CREATE TABLE catalogue (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	mnemonic TEXT NOT NULL, 
	folded TEXT COLLATE "C" NOT NULL, 
	title TEXT NOT NULL, 
	description TEXT, 
	icon TEXT, 
	font_color_hex TEXT, 
	bg_color_hex TEXT, 
	is_system BOOLEAN NOT NULL, 
	auto_created BOOLEAN NOT NULL, 
	edited BOOLEAN NOT NULL, 
	used BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	modified_at BIGINT NOT NULL, 
	CONSTRAINT pk_catalogue PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_catalogue_workspace_id_kind_folded UNIQUE (workspace_id, kind, folded)
);
COMMENT ON COLUMN catalogue.folded IS 'the mnemonic in lower case: unique ignoring case';
COMMENT ON COLUMN catalogue.used IS 'an interaction names it; never unset';
CREATE TABLE data_keys (
	workspace_id UUID NOT NULL, 
	generation INTEGER NOT NULL, 
	master_key_id TEXT NOT NULL, 
	wrapped BYTEA NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_data_keys PRIMARY KEY (workspace_id, generation)
);
CREATE TABLE feed_cursors (
	workspace_id UUID NOT NULL, 
	handler TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	failures INTEGER DEFAULT '0' NOT NULL, 
	error TEXT, 
	CONSTRAINT pk_feed_cursors PRIMARY KEY (workspace_id, handler)
)
 WITH (fillfactor = 70);
CREATE TABLE interaction_fields (
	workspace_id UUID NOT NULL, 
	resource_type_id UUID NOT NULL, 
	action_id UUID NOT NULL, 
	path TEXT COLLATE "C" NOT NULL, 
	type TEXT NOT NULL, 
	count BIGINT NOT NULL, 
	last_number BIGINT NOT NULL, 
	CONSTRAINT pk_interaction_fields PRIMARY KEY (workspace_id, resource_type_id, action_id, path, type)
)
 WITH (fillfactor = 70);
CREATE TABLE interaction_keys (
	workspace_id UUID NOT NULL, 
	key BYTEA NOT NULL, 
	number BIGINT NOT NULL, 
	digest BYTEA NOT NULL, 
	CONSTRAINT pk_interaction_keys PRIMARY KEY (workspace_id, key)
);
COMMENT ON COLUMN interaction_keys.key IS 'HMAC of the dedupe key, 16 bytes';
COMMENT ON COLUMN interaction_keys.digest IS 'HMAC of what the client sent, 16 bytes';
CREATE TABLE interaction_related (
	workspace_id UUID NOT NULL, 
	resource_id TEXT COLLATE "C" NOT NULL, 
	number BIGINT NOT NULL, 
	position INTEGER NOT NULL, 
	CONSTRAINT pk_interaction_related PRIMARY KEY (workspace_id, resource_id, number, position)
);
CREATE TABLE interactions (
	workspace_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	id UUID NOT NULL, 
	resource_type_id UUID NOT NULL, 
	action_id UUID NOT NULL, 
	origin_id UUID NOT NULL, 
	resource_id TEXT COLLATE "C", 
	user_id TEXT COLLATE "C", 
	external_reference TEXT COLLATE "C", 
	uow_id UUID NOT NULL, 
	span_id UUID, 
	parent_span_id UUID, 
	occurred_at BIGINT NOT NULL, 
	recorded_at BIGINT NOT NULL, 
	outcome TEXT, 
	platform BOOLEAN NOT NULL, 
	recorded_by TEXT NOT NULL, 
	actor_kind TEXT NOT NULL, 
	sequence_index BIGINT, 
	risk TEXT, 
	domain TEXT, 
	corrects UUID, 
	content TEXT, 
	salt BYTEA, 
	content_digest BYTEA NOT NULL, 
	resource_key BYTEA NOT NULL, 
	user_key BYTEA, 
	leaf_hash BYTEA NOT NULL, 
	CONSTRAINT pk_interactions PRIMARY KEY (workspace_id, number), 
	CONSTRAINT uq_interactions_workspace_id_id UNIQUE (workspace_id, id)
)
 WITH (autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON COLUMN interactions.occurred_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN interactions.recorded_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN interactions.content IS 'canonical JSON of every erasable field; null once erased';
COMMENT ON COLUMN interactions.salt IS '16 bytes; null once erased';
COMMENT ON COLUMN interactions.resource_key IS 'keys.r of the envelope';
COMMENT ON COLUMN interactions.user_key IS 'keys.u of the envelope';
CREATE INDEX ix_interactions_action ON interactions (workspace_id, action_id, number);
CREATE INDEX ix_interactions_external ON interactions (workspace_id, external_reference, number) WHERE external_reference IS NOT NULL;
CREATE INDEX ix_interactions_occurred ON interactions (workspace_id, occurred_at, number);
CREATE INDEX ix_interactions_platform ON interactions (workspace_id, number) WHERE platform;
CREATE INDEX ix_interactions_resource ON interactions (workspace_id, resource_id, number);
CREATE INDEX ix_interactions_resource_type ON interactions (workspace_id, resource_type_id, number);
CREATE INDEX ix_interactions_span ON interactions (workspace_id, span_id) WHERE span_id IS NOT NULL;
CREATE INDEX ix_interactions_uow ON interactions (workspace_id, uow_id, number);
CREATE INDEX ix_interactions_user ON interactions (workspace_id, user_id, number) WHERE user_id IS NOT NULL;
CREATE TABLE ledger_settings (
	workspace_id UUID NOT NULL, 
	workspace TEXT NOT NULL, 
	catalogue_version BIGINT DEFAULT '1' NOT NULL, 
	strict_catalogue BOOLEAN DEFAULT 'false' NOT NULL, 
	queue_generation INTEGER DEFAULT '1' NOT NULL, 
	CONSTRAINT pk_ledger_settings PRIMARY KEY (workspace_id)
);
CREATE TABLE people (
	id UUID NOT NULL, 
	email_sealed BYTEA NOT NULL, 
	email_digest BYTEA NOT NULL, 
	password_hash TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_people PRIMARY KEY (id), 
	CONSTRAINT uq_people_email_digest UNIQUE (email_digest)
);
COMMENT ON COLUMN people.email_digest IS 'MAC of the folded address';
CREATE TABLE workspaces (
	id UUID NOT NULL, 
	slug TEXT NOT NULL, 
	name TEXT NOT NULL, 
	instance BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_workspaces PRIMARY KEY (id), 
	CONSTRAINT uq_workspaces_slug UNIQUE (slug)
);
COMMENT ON COLUMN workspaces.instance IS 'the one workspace that holds the installation''s own events';
CREATE UNIQUE INDEX uq_workspaces_instance ON workspaces (instance) WHERE instance;
CREATE TABLE api_keys (
	workspace_id UUID NOT NULL, 
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	secret_digest BYTEA NOT NULL, 
	scopes TEXT[] NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	revoked_at BIGINT, 
	CONSTRAINT pk_api_keys PRIMARY KEY (workspace_id, id), 
	CONSTRAINT fk_api_keys_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id), 
	CONSTRAINT uq_api_keys_id UNIQUE (id)
);
COMMENT ON COLUMN api_keys.id IS 'the middle part of pv_<id>_<secret>';
COMMENT ON COLUMN api_keys.secret_digest IS 'SHA-256 of the secret';
CREATE TABLE members (
	workspace_id UUID NOT NULL, 
	person_id UUID NOT NULL, 
	role TEXT NOT NULL, 
	joined_at BIGINT NOT NULL, 
	CONSTRAINT pk_members PRIMARY KEY (workspace_id, person_id), 
	CONSTRAINT fk_members_person_id FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT fk_members_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
-- Append entries to the ledger of one or more workspaces: gap-free numbers, duplicates found, all in the caller's
-- transaction. Every array has one element per entry, in the order in which they arrived.
--
-- The function is VOLATILE: each statement in it sees what was committed before that statement began. So the
-- duplicates and the last number are read after the lock was granted, never from a snapshot older than the wait.
-- Locks are taken in ascending order, and the caller runs nothing after this in its transaction.
--
-- Repeats are rare, so it begins as if there were none: entries are numbered, and their keys inserted under those
-- numbers. Only when the unique index turns a key away are the keys taken back and the entries judged one by one.
-- Looking each key up before inserting it cost a sixth of the whole call.
--
-- enable_seqscan is off because the plans of a long session are kept: one made while a table was nearly empty read
-- the whole table for every group of a burst, until the statistics were next refreshed.
--
-- Answers one row per entry: its number (or the number of the entry it repeats), the id of that row, and the verdict:
-- 'c' created, 's' a repeat with the same content, 'd' a repeat whose content differs. With p_all_or_nothing a single
-- 'd' means that nothing was stored.
CREATE FUNCTION ledger_append(
    p_workspace uuid[], p_id uuid[], p_resource_type uuid[], p_action uuid[], p_origin uuid[],
    p_resource text[], p_user text[], p_external text[], p_uow uuid[], p_span uuid[], p_parent uuid[],
    p_occurred bigint[], p_recorded bigint[], p_outcome text[], p_platform boolean[], p_recorded_by text[],
    p_actor_kind text[], p_sequence bigint[], p_risk text[], p_domain text[], p_corrects uuid[],
    p_content text[], p_salt bytea[], p_content_digest bytea[], p_resource_key bytea[], p_user_key bytea[],
    p_leaf bytea[], p_key bytea[], p_digest bytea[],
    p_related_entry integer[], p_related_position integer[], p_related_resource text[], p_all_or_nothing boolean
) RETURNS TABLE (number bigint, id uuid, verdict text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    v_count integer := cardinality(p_id);
    v_one uuid := p_workspace[1];
    v_last bigint;
    v_number bigint[];
    v_verdict text[];
    v_inserted integer;
    v_repeats boolean;
BEGIN
    IF p_workspace = array_fill(v_one, ARRAY[v_count]) THEN
        PERFORM pg_advisory_xact_lock(uuid_hash_extended(v_one, 7300));
        SELECT i.number INTO v_last FROM interactions AS i WHERE i.workspace_id = v_one ORDER BY i.number DESC LIMIT 1;
        v_last := coalesce(v_last, 0);
        v_number := ARRAY(SELECT generate_series(v_last + 1, v_last + v_count));
    ELSE
        PERFORM pg_advisory_xact_lock(k)
           FROM (SELECT DISTINCT uuid_hash_extended(w, 7300) AS k FROM unnest(p_workspace) AS w ORDER BY 1) AS locks;
        WITH last AS MATERIALIZED (
            SELECT w, coalesce((SELECT i.number FROM interactions AS i WHERE i.workspace_id = w
                                 ORDER BY i.number DESC LIMIT 1), 0) AS number
              FROM (SELECT DISTINCT w FROM unnest(p_workspace) AS w) AS each
        ), entry AS (
            SELECT e.at, last.number + row_number() OVER (PARTITION BY w ORDER BY e.at) AS number
              FROM unnest(p_workspace) WITH ORDINALITY AS e(w, at) JOIN last USING (w)
        )
        SELECT array_agg(entry.number ORDER BY entry.at) INTO v_number FROM entry;
    END IF;

    INSERT INTO interaction_keys (workspace_id, key, number, digest)
    SELECT t.w, t.k, t.n, t.d FROM unnest(p_workspace, p_key, v_number, p_digest) AS t(w, k, n, d)
     WHERE t.k IS NOT NULL
        ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS v_inserted = ROW_COUNT;
    v_repeats := v_inserted < cardinality(array_remove(p_key, NULL));

    IF NOT v_repeats THEN
        v_verdict := array_fill('c'::text, ARRAY[v_count]);
    ELSE
        DELETE FROM interaction_keys AS own
         USING unnest(p_workspace, p_key, v_number) AS t(w, k, n)
         WHERE own.workspace_id = t.w AND own.key = t.k AND own.number = t.n;

        WITH looked_up AS (
            SELECT e.at, e.w, e.k, e.d, seen.number AS seen_number, seen.digest AS seen_digest,
                   min(e.n) OVER (PARTITION BY e.w) AS base,
                   seen.number IS NULL
                       AND (e.k IS NULL OR row_number() OVER (PARTITION BY e.w, e.k ORDER BY e.at) = 1) AS created
              FROM unnest(p_workspace, p_key, p_digest, v_number) WITH ORDINALITY AS e(w, k, d, n, at)
              LEFT JOIN LATERAL (SELECT s.number, s.digest FROM interaction_keys AS s
                                  WHERE s.workspace_id = e.w AND s.key = e.k LIMIT 1) AS seen ON true
        ), numbered AS (
            SELECT *, base + count(*) FILTER (WHERE created) OVER (PARTITION BY w ORDER BY at) - 1 AS next
              FROM looked_up
        ), judged AS (
            SELECT at, created, d, CASE WHEN created THEN next
                                        ELSE coalesce(seen_number, first_value(next) OVER same) END AS number,
                   coalesce(seen_digest, first_value(d) OVER same) AS first_d
              FROM numbered WINDOW same AS (PARTITION BY w, k ORDER BY at)
        )
        SELECT array_agg(judged.number ORDER BY at),
               array_agg(CASE WHEN created THEN 'c' WHEN first_d = d THEN 's' ELSE 'd' END ORDER BY at)
          INTO v_number, v_verdict
          FROM judged;
    END IF;

    IF p_all_or_nothing AND 'd' = ANY (v_verdict) THEN
        RETURN QUERY SELECT t.n, NULL::uuid, t.verdict
                       FROM unnest(v_number, v_verdict) WITH ORDINALITY AS t(n, verdict, at) ORDER BY t.at;
        RETURN;
    END IF;

    INSERT INTO interactions (
        workspace_id, number, id, resource_type_id, action_id, origin_id, resource_id, user_id, external_reference,
        uow_id, span_id, parent_span_id, occurred_at, recorded_at, outcome, platform, recorded_by, actor_kind,
        sequence_index, risk, domain, corrects, content, salt, content_digest, resource_key, user_key, leaf_hash)
    SELECT t.workspace_id, t.number, t.id, t.resource_type_id, t.action_id, t.origin_id, t.resource_id, t.user_id,
           t.external_reference, t.uow_id, t.span_id, t.parent_span_id, t.occurred_at, t.recorded_at, t.outcome,
           t.platform, t.recorded_by, t.actor_kind, t.sequence_index, t.risk, t.domain, t.corrects, t.content,
           t.salt, t.content_digest, t.resource_key, t.user_key, t.leaf_hash
      FROM unnest(
               p_workspace, v_number, p_id, p_resource_type, p_action, p_origin, p_resource, p_user, p_external,
               p_uow, p_span, p_parent, p_occurred, p_recorded, p_outcome, p_platform, p_recorded_by, p_actor_kind,
               p_sequence, p_risk, p_domain, p_corrects, p_content, p_salt, p_content_digest, p_resource_key,
               p_user_key, p_leaf, v_verdict
           ) AS t(
               workspace_id, number, id, resource_type_id, action_id, origin_id, resource_id, user_id,
               external_reference, uow_id, span_id, parent_span_id, occurred_at, recorded_at, outcome, platform,
               recorded_by, actor_kind, sequence_index, risk, domain, corrects, content, salt, content_digest,
               resource_key, user_key, leaf_hash, verdict)
     WHERE t.verdict = 'c';

    IF v_repeats THEN
        INSERT INTO interaction_keys (workspace_id, key, number, digest)
        SELECT t.w, t.k, t.n, t.d
          FROM unnest(p_workspace, p_key, v_number, p_digest, v_verdict) AS t(w, k, n, d, verdict)
         WHERE t.verdict = 'c' AND t.k IS NOT NULL;
    END IF;

    IF cardinality(p_related_entry) > 0 THEN
        INSERT INTO interaction_related (workspace_id, resource_id, number, position)
        SELECT p_workspace[r.entry], r.resource, v_number[r.entry], r.position
          FROM unnest(p_related_entry, p_related_position, p_related_resource) AS r(entry, position, resource)
         WHERE v_verdict[r.entry] = 'c';
    END IF;

    IF v_repeats THEN
        RETURN QUERY
        SELECT t.n, CASE WHEN t.verdict = 'c' THEN t.own ELSE
                   (SELECT i.id FROM interactions AS i WHERE i.workspace_id = t.w AND i.number = t.n) END, t.verdict
          FROM unnest(p_workspace, v_number, p_id, v_verdict) WITH ORDINALITY AS t(w, n, own, verdict, at)
         ORDER BY t.at;
    ELSE
        RETURN QUERY
        SELECT t.n, t.own, t.verdict
          FROM unnest(v_number, p_id, v_verdict) WITH ORDINALITY AS t(n, own, verdict, at) ORDER BY t.at;
    END IF;
END
$$;
INSERT INTO alembic_version (version_num) VALUES ('b1a522d2cf9b') RETURNING alembic_version.version_num;
SET LOCAL lock_timeout = '5s';
CREATE TABLE logs (
	workspace_id UUID NOT NULL, 
	name TEXT NOT NULL, 
	origin TEXT, 
	epoch INTEGER DEFAULT '0' NOT NULL, 
	key_generation INTEGER DEFAULT '1' NOT NULL, 
	size BIGINT DEFAULT '0' NOT NULL, 
	root BYTEA NOT NULL, 
	edge BYTEA NOT NULL, 
	signed_at BIGINT, 
	kept_minute BIGINT DEFAULT '0' NOT NULL, 
	halted TEXT, 
	halted_at BIGINT, 
	public TEXT DEFAULT 'off' NOT NULL, 
	CONSTRAINT pk_logs PRIMARY KEY (workspace_id), 
	CONSTRAINT uq_logs_origin UNIQUE (origin)
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN logs.name IS 'the workspace''s slug when it was made; never follows it';
COMMENT ON COLUMN logs.origin IS 'fixed with the first checkpoint';
COMMENT ON COLUMN logs.epoch IS 'counts the logs begun after a restore';
COMMENT ON COLUMN logs.size IS 'leaves under the last signed head';
COMMENT ON COLUMN logs.root IS '32 bytes, of the last signed head';
COMMENT ON COLUMN logs.edge IS 'partial tiles of levels 1 and up, from the lowest';
COMMENT ON COLUMN logs.signed_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN logs.kept_minute IS 'minute of the last head kept';
COMMENT ON COLUMN logs.halted IS 'why no head is signed any more';
COMMENT ON COLUMN logs.halted_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN logs.public IS 'off, checkpoints or all';
CREATE TABLE log_tiles (
	workspace_id UUID NOT NULL, 
	epoch INTEGER NOT NULL, 
	level INTEGER NOT NULL, 
	index BIGINT NOT NULL, 
	hashes BYTEA NOT NULL, 
	CONSTRAINT pk_log_tiles PRIMARY KEY (workspace_id, epoch, level, index)
);
COMMENT ON COLUMN log_tiles.hashes IS '256 hashes of 32 bytes: only full tiles are stored';
ALTER TABLE log_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE TABLE log_checkpoints (
	workspace_id UUID NOT NULL, 
	epoch INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	root BYTEA NOT NULL, 
	note TEXT NOT NULL, 
	signed_at BIGINT NOT NULL, 
	kept BOOLEAN NOT NULL, 
	CONSTRAINT pk_log_checkpoints PRIMARY KEY (workspace_id, epoch, size)
);
COMMENT ON COLUMN log_checkpoints.note IS 'the signed note, with the cosignatures gathered so far';
COMMENT ON COLUMN log_checkpoints.signed_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN log_checkpoints.kept IS 'first of its minute, cosigned, or cited by evidence';
CREATE INDEX ix_log_checkpoints_kept ON log_checkpoints (workspace_id, epoch, size) WHERE kept;
CREATE TABLE log_keys (
	workspace_id UUID NOT NULL, 
	epoch INTEGER NOT NULL, 
	generation INTEGER NOT NULL, 
	origin TEXT NOT NULL, 
	verifier_key TEXT NOT NULL, 
	from_size BIGINT NOT NULL, 
	successor_note TEXT, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_log_keys PRIMARY KEY (workspace_id, epoch, generation)
);
COMMENT ON COLUMN log_keys.from_size IS 'heads beyond this size carry this key''s signature';
COMMENT ON COLUMN log_keys.successor_note IS 'names this key, signed by the one before';
COMMENT ON COLUMN log_keys.created_at IS 'nanoseconds since the epoch';
INSERT INTO logs (workspace_id, name, root, edge) SELECT id, slug, sha256(''), ''::bytea FROM workspaces;
UPDATE alembic_version SET version_num='c3d1f0a86e27' WHERE alembic_version.version_num = 'b1a522d2cf9b';
SET LOCAL lock_timeout = '5s';
ALTER TABLE people ALTER COLUMN email_sealed DROP NOT NULL;
ALTER TABLE people ALTER COLUMN email_digest DROP NOT NULL;
ALTER TABLE people ALTER COLUMN password_hash DROP NOT NULL;
COMMENT ON COLUMN people.email_sealed IS 'null once the person is erased';
COMMENT ON COLUMN people.password_hash IS 'argon2id; null while the person has none';
ALTER TABLE people ADD COLUMN name_sealed BYTEA;
ALTER TABLE people ADD COLUMN erased_at BIGINT;
COMMENT ON COLUMN members.joined_at IS 'when invited, until the invitation is accepted';
ALTER TABLE members ADD COLUMN groups TEXT[] DEFAULT '{}' NOT NULL;
ALTER TABLE members ADD COLUMN status TEXT DEFAULT 'active' NOT NULL;
COMMENT ON COLUMN members.status IS 'invited, active or erased';
ALTER TABLE members ADD COLUMN last_seen_at BIGINT;
CREATE TABLE auth_epoch (
	single BOOLEAN NOT NULL, 
	epoch BIGINT NOT NULL, 
	CONSTRAINT pk_auth_epoch PRIMARY KEY (single)
);
COMMENT ON COLUMN auth_epoch.single IS 'true: the table has one row';
CREATE TABLE guesses (
	subject BYTEA NOT NULL, 
	kind TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	last_at BIGINT NOT NULL, 
	blocked_until BIGINT NOT NULL, 
	CONSTRAINT pk_guesses PRIMARY KEY (subject)
);
COMMENT ON COLUMN guesses.subject IS 'MAC of an account''s or a client''s address';
CREATE TABLE signing_keys (
	kid TEXT NOT NULL, 
	sealed BYTEA NOT NULL, 
	made_at BIGINT NOT NULL, 
	retired_at BIGINT, 
	CONSTRAINT pk_signing_keys PRIMARY KEY (kid)
);
COMMENT ON COLUMN signing_keys.sealed IS 'Ed25519 key, sealed by the installation''s keyring';
COMMENT ON COLUMN signing_keys.retired_at IS 'signs no more; verifies until its last token ran out';
CREATE TABLE device_requests (
	digest BYTEA NOT NULL, 
	user_code_digest BYTEA NOT NULL, 
	client_name TEXT NOT NULL, 
	status TEXT NOT NULL, 
	person_id UUID, 
	acts_in UUID, 
	expires_at BIGINT NOT NULL, 
	polled_at BIGINT NOT NULL, 
	CONSTRAINT pk_device_requests PRIMARY KEY (digest), 
	CONSTRAINT fk_device_requests_acts_in FOREIGN KEY(acts_in) REFERENCES workspaces (id), 
	CONSTRAINT fk_device_requests_person_id FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT uq_device_requests_user_code_digest UNIQUE (user_code_digest)
);
COMMENT ON COLUMN device_requests.digest IS 'SHA-256 of the device code';
COMMENT ON COLUMN device_requests.user_code_digest IS 'MAC of the code that people type';
COMMENT ON COLUMN device_requests.status IS 'pending, approved, denied or used';
CREATE TABLE oidc_links (
	digest BYTEA NOT NULL, 
	person_id UUID NOT NULL, 
	linked_at BIGINT NOT NULL, 
	CONSTRAINT pk_oidc_links PRIMARY KEY (digest), 
	CONSTRAINT fk_oidc_links_person_id FOREIGN KEY(person_id) REFERENCES people (id)
);
COMMENT ON COLUMN oidc_links.digest IS 'MAC of the provider and its name for the person';
CREATE INDEX ix_oidc_links_person_id ON oidc_links (person_id);
CREATE TABLE passkeys (
	id UUID NOT NULL, 
	person_id UUID NOT NULL, 
	credential_id BYTEA NOT NULL, 
	public_key BYTEA NOT NULL, 
	sign_count BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	last_used_at BIGINT, 
	CONSTRAINT pk_passkeys PRIMARY KEY (id), 
	CONSTRAINT fk_passkeys_person_id FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT uq_passkeys_credential_id UNIQUE (credential_id)
);
COMMENT ON COLUMN passkeys.credential_id IS 'as the authenticator names it';
COMMENT ON COLUMN passkeys.public_key IS 'COSE';
CREATE INDEX ix_passkeys_person_id ON passkeys (person_id);
CREATE TABLE person_keys (
	person_id UUID NOT NULL, 
	wrapped BYTEA NOT NULL, 
	CONSTRAINT pk_person_keys PRIMARY KEY (person_id), 
	CONSTRAINT fk_person_keys_person_id FOREIGN KEY(person_id) REFERENCES people (id)
);
COMMENT ON COLUMN person_keys.wrapped IS 'sealed by the installation''s keyring';
CREATE TABLE recovery_codes (
	person_id UUID NOT NULL, 
	digest BYTEA NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_recovery_codes PRIMARY KEY (person_id, digest), 
	CONSTRAINT fk_recovery_codes_person_id FOREIGN KEY(person_id) REFERENCES people (id)
);
COMMENT ON COLUMN recovery_codes.digest IS 'MAC under the installation''s key';
CREATE TABLE sessions (
	id UUID NOT NULL, 
	person_id UUID NOT NULL, 
	acts_in UUID NOT NULL, 
	mode TEXT NOT NULL, 
	methods TEXT[] NOT NULL, 
	signed_in_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	CONSTRAINT pk_sessions PRIMARY KEY (id), 
	CONSTRAINT fk_sessions_acts_in FOREIGN KEY(acts_in) REFERENCES workspaces (id), 
	CONSTRAINT fk_sessions_person_id FOREIGN KEY(person_id) REFERENCES people (id)
);
COMMENT ON COLUMN sessions.acts_in IS 'the workspace signed in to';
COMMENT ON COLUMN sessions.mode IS 'token or browser';
COMMENT ON COLUMN sessions.methods IS 'how the person proved who they are';
CREATE INDEX ix_sessions_person_id ON sessions (person_id);
CREATE TABLE tickets (
	digest BYTEA NOT NULL, 
	purpose TEXT NOT NULL, 
	person_id UUID, 
	place UUID, 
	sealed BYTEA, 
	expires_at BIGINT NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_tickets PRIMARY KEY (digest), 
	CONSTRAINT fk_tickets_person_id FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT fk_tickets_place FOREIGN KEY(place) REFERENCES workspaces (id)
);
COMMENT ON COLUMN tickets.digest IS 'SHA-256 of the token';
COMMENT ON COLUMN tickets.place IS 'the workspace that an invitation is for';
COMMENT ON COLUMN tickets.sealed IS 'what else belongs to it, sealed by the installation''s keyring';
CREATE INDEX ix_tickets_person_id ON tickets (person_id);
CREATE TABLE totp_secrets (
	person_id UUID NOT NULL, 
	sealed BYTEA NOT NULL, 
	confirmed_at BIGINT, 
	last_step BIGINT NOT NULL, 
	CONSTRAINT pk_totp_secrets PRIMARY KEY (person_id), 
	CONSTRAINT fk_totp_secrets_person_id FOREIGN KEY(person_id) REFERENCES people (id)
);
COMMENT ON COLUMN totp_secrets.sealed IS 'the shared secret, sealed under the person''s key';
COMMENT ON COLUMN totp_secrets.last_step IS 'the newest time step that was used; older ones are refused';
CREATE TABLE refresh_tokens (
	digest BYTEA NOT NULL, 
	session_id UUID NOT NULL, 
	made_at BIGINT NOT NULL, 
	spent_at BIGINT, 
	CONSTRAINT pk_refresh_tokens PRIMARY KEY (digest), 
	CONSTRAINT fk_refresh_tokens_session_id FOREIGN KEY(session_id) REFERENCES sessions (id) ON DELETE CASCADE
);
COMMENT ON COLUMN refresh_tokens.digest IS 'SHA-256 of the token';
CREATE INDEX ix_refresh_tokens_session_id ON refresh_tokens (session_id);
INSERT INTO auth_epoch (single, epoch) VALUES (true, 1);
CREATE FUNCTION auth_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE auth_epoch SET epoch = epoch + 1;
    PERFORM pg_notify('provenance_auth', '');
    RETURN NULL;
END $$;
CREATE TRIGGER auth_changed AFTER UPDATE OF revoked_at, scopes OR DELETE ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_changed AFTER UPDATE OF role, groups, status OR DELETE ON members FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_changed AFTER UPDATE OF erased_at OR DELETE ON people FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_changed AFTER UPDATE OF ended_at ON sessions FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_changed AFTER INSERT OR UPDATE OR DELETE ON signing_keys FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
UPDATE alembic_version SET version_num='7d40c5b9ae13' WHERE alembic_version.version_num = 'c3d1f0a86e27';
SET LOCAL lock_timeout = '5s';
CREATE TABLE ledger_incidents (
	workspace_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	first_number BIGINT NOT NULL, 
	last_number BIGINT NOT NULL, 
	sentence TEXT NOT NULL, 
	found_at BIGINT NOT NULL, 
	CONSTRAINT pk_ledger_incidents PRIMARY KEY (workspace_id, kind, first_number, last_number)
);
COMMENT ON COLUMN ledger_incidents.found_at IS 'nanoseconds since the epoch';
CREATE TABLE self_audits (
	workspace_id UUID NOT NULL, 
	epoch INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	edge BYTEA NOT NULL, 
	recorded_at BIGINT NOT NULL, 
	started_at BIGINT NOT NULL, 
	finished_at BIGINT, 
	finished_size BIGINT, 
	CONSTRAINT pk_self_audits PRIMARY KEY (workspace_id)
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN self_audits.size IS 'leaves re-read in the pass under way, whole tiles of them';
COMMENT ON COLUMN self_audits.edge IS 'partial tiles at that size, levels 1 and up';
COMMENT ON COLUMN self_audits.recorded_at IS 'of the last row re-read';
COMMENT ON COLUMN self_audits.started_at IS 'of the pass under way';
COMMENT ON COLUMN self_audits.finished_at IS 'when the last whole pass ended';
COMMENT ON COLUMN self_audits.finished_size IS 'leaves of the last whole pass';
UPDATE alembic_version SET version_num='d84a5f1c9b03' WHERE alembic_version.version_num = '7d40c5b9ae13';
SET LOCAL lock_timeout = '5s';
CREATE TABLE evidence_packs (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	digest BYTEA NOT NULL, 
	asked TEXT NOT NULL, 
	numbers BIGINT[] NOT NULL, 
	records INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	checkpoint TEXT NOT NULL, 
	signed_at BIGINT NOT NULL, 
	newest_size BIGINT NOT NULL, 
	newest_checkpoint TEXT NOT NULL, 
	completeness TEXT, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	CONSTRAINT pk_evidence_packs PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_evidence_packs_workspace_id_digest UNIQUE (workspace_id, digest)
);
COMMENT ON COLUMN evidence_packs.digest IS 'of the filter, the head and the numbers found';
COMMENT ON COLUMN evidence_packs.asked IS 'the filter as canonical JSON';
COMMENT ON COLUMN evidence_packs.numbers IS 'the rows that satisfied it, ascending';
COMMENT ON COLUMN evidence_packs.size IS 'of the oldest head kept that covers all rows';
COMMENT ON COLUMN evidence_packs.checkpoint IS 'that head as it was signed when the pack was made';
COMMENT ON COLUMN evidence_packs.signed_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN evidence_packs.newest_checkpoint IS 'the newest head when the pack was made';
COMMENT ON COLUMN evidence_packs.completeness IS 'the map''s answer when the pack was made';
COMMENT ON COLUMN evidence_packs.created_at IS 'nanoseconds since the epoch';
CREATE INDEX ix_evidence_packs_created_at ON evidence_packs (workspace_id, created_at, id);
UPDATE alembic_version SET version_num='e7a94c05d1b8' WHERE alembic_version.version_num = 'd84a5f1c9b03';
SET LOCAL lock_timeout = '5s';
CREATE TABLE completeness_maps (
	workspace_id UUID NOT NULL, 
	epoch INTEGER NOT NULL, 
	size BIGINT DEFAULT '0' NOT NULL, 
	root BYTEA NOT NULL, 
	note TEXT, 
	checkpoint TEXT, 
	key_generation INTEGER DEFAULT '1' NOT NULL, 
	signed_at BIGINT, 
	logged_size BIGINT DEFAULT '0' NOT NULL, 
	logged_at BIGINT NOT NULL, 
	CONSTRAINT pk_completeness_maps PRIMARY KEY (workspace_id)
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN completeness_maps.epoch IS 'of the log that is followed';
COMMENT ON COLUMN completeness_maps.size IS 'leaves of the log that the map has';
COMMENT ON COLUMN completeness_maps.root IS '32 bytes: of the buckets as they are stored';
COMMENT ON COLUMN completeness_maps.note IS 'signs this very root; null while the map catches up between two signed heads';
COMMENT ON COLUMN completeness_maps.checkpoint IS 'the log''s signed head of this size';
COMMENT ON COLUMN completeness_maps.signed_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN completeness_maps.logged_size IS 'size of the root logged last';
COMMENT ON COLUMN completeness_maps.logged_at IS 'nanoseconds since the epoch; at first when it began';
CREATE TABLE completeness_buckets (
	workspace_id UUID NOT NULL, 
	prefix BYTEA NOT NULL, 
	depth SMALLINT NOT NULL, 
	entries BYTEA NOT NULL, 
	CONSTRAINT pk_completeness_buckets PRIMARY KEY (workspace_id, prefix)
)
 WITH (fillfactor = 70);
COMMENT ON COLUMN completeness_buckets.prefix IS 'the bits that its places share, in whole bytes';
COMMENT ON COLUMN completeness_buckets.depth IS 'how many bits';
COMMENT ON COLUMN completeness_buckets.entries IS '64 at most, 57 bytes each';
ALTER TABLE completeness_buckets ALTER COLUMN entries SET STORAGE PLAIN;
CREATE TABLE completeness_tiles (
	workspace_id UUID NOT NULL, 
	prefix BYTEA NOT NULL, 
	nodes BYTEA NOT NULL, 
	CONSTRAINT pk_completeness_tiles PRIMARY KEY (workspace_id, prefix)
);
COMMENT ON COLUMN completeness_tiles.prefix IS 'the bytes above its eight levels';
COMMENT ON COLUMN completeness_tiles.nodes IS '256 hashes at most, each after a byte of depth';
ALTER TABLE completeness_tiles ALTER COLUMN nodes SET STORAGE EXTERNAL;
CREATE INDEX ix_interactions_erased_resource ON interactions (workspace_id, resource_key, number) WHERE resource_id IS NULL;
CREATE INDEX ix_interactions_erased_user ON interactions (workspace_id, user_key, number) WHERE user_id IS NULL AND user_key IS NOT NULL;
UPDATE alembic_version SET version_num='5b9e20c7d41f' WHERE alembic_version.version_num = 'e7a94c05d1b8';
SET LOCAL lock_timeout = '5s';
CREATE TABLE witnesses (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	url TEXT NOT NULL, 
	verifier_key TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_witnesses PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_witnesses_workspace_id_url UNIQUE (workspace_id, url)
);
COMMENT ON COLUMN witnesses.workspace_id IS 'whose log is shown; the instance workspace: every log';
COMMENT ON COLUMN witnesses.name IS 'of its key';
COMMENT ON COLUMN witnesses.url IS 'the submission prefix, without a slash at the end';
COMMENT ON COLUMN witnesses.created_at IS 'nanoseconds since the epoch';
CREATE TABLE witness_rounds (
	workspace_id UUID NOT NULL, 
	next_at BIGINT NOT NULL, 
	epoch INTEGER, 
	size BIGINT, 
	CONSTRAINT pk_witness_rounds PRIMARY KEY (workspace_id)
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN witness_rounds.next_at IS 'nanoseconds since the epoch; no witness is asked before';
COMMENT ON COLUMN witness_rounds.epoch IS 'of the newest cosigned head';
COMMENT ON COLUMN witness_rounds.size IS 'of the newest cosigned head';
CREATE TABLE witness_answers (
	workspace_id UUID NOT NULL, 
	witness_id UUID NOT NULL, 
	epoch INTEGER NOT NULL, 
	size BIGINT NOT NULL, 
	cosigned_at BIGINT, 
	state TEXT NOT NULL, 
	error TEXT, 
	failures INTEGER NOT NULL, 
	retry_at BIGINT NOT NULL, 
	CONSTRAINT pk_witness_answers PRIMARY KEY (workspace_id, witness_id)
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN witness_answers.size IS 'leaves of the last head it cosigned, as far as we know';
COMMENT ON COLUMN witness_answers.cosigned_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN witness_answers.state IS 'cosigned, behind, away, refused or disagrees';
COMMENT ON COLUMN witness_answers.failures IS 'in a row';
COMMENT ON COLUMN witness_answers.retry_at IS 'nanoseconds since the epoch; it is left alone before';
CREATE TABLE witnessed_logs (
	workspace_id UUID NOT NULL, 
	origin TEXT NOT NULL, 
	verifier_keys TEXT[] NOT NULL, 
	size BIGINT NOT NULL, 
	root BYTEA NOT NULL, 
	note TEXT, 
	cosigned_at BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_witnessed_logs PRIMARY KEY (workspace_id, origin)
);
COMMENT ON COLUMN witnessed_logs.workspace_id IS 'the instance workspace';
COMMENT ON COLUMN witnessed_logs.verifier_keys IS 'any of them may sign the log''s heads';
COMMENT ON COLUMN witnessed_logs.size IS 'leaves of the last head we cosigned';
COMMENT ON COLUMN witnessed_logs.root IS '32 bytes, of the last head we cosigned';
COMMENT ON COLUMN witnessed_logs.note IS 'the last head we cosigned, as it was signed by the log';
COMMENT ON COLUMN witnessed_logs.cosigned_at IS 'seconds since the epoch, never going back';
COMMENT ON COLUMN witnessed_logs.created_at IS 'nanoseconds since the epoch';
CREATE TABLE witness_keys (
	workspace_id UUID NOT NULL, 
	name TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_witness_keys PRIMARY KEY (workspace_id)
);
COMMENT ON COLUMN witness_keys.workspace_id IS 'the instance workspace';
COMMENT ON COLUMN witness_keys.name IS 'fixed with the first use';
COMMENT ON COLUMN witness_keys.created_at IS 'nanoseconds since the epoch';
UPDATE alembic_version SET version_num='5e1d9a70c4b6' WHERE alembic_version.version_num = '5b9e20c7d41f';
SET LOCAL lock_timeout = '5s';
CREATE UNLOGGED TABLE rate_buckets (
	subject TEXT NOT NULL, 
	tokens DOUBLE PRECISION NOT NULL, 
	at DOUBLE PRECISION NOT NULL, 
	CONSTRAINT pk_rate_buckets PRIMARY KEY (subject)
);
COMMENT ON COLUMN rate_buckets.subject IS 'an API key''s or a person''s id';
COMMENT ON COLUMN rate_buckets.at IS 'seconds since the epoch, by the database''s clock';
CREATE TABLE idempotency_keys (
	workspace_id UUID NOT NULL, 
	scope BYTEA NOT NULL, 
	request BYTEA NOT NULL, 
	status INTEGER, 
	media_type TEXT, 
	answer BYTEA, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY (workspace_id, scope)
);
COMMENT ON COLUMN idempotency_keys.scope IS 'SHA-256 over credential, route and key';
COMMENT ON COLUMN idempotency_keys.request IS 'SHA-256 over the canonical body';
COMMENT ON COLUMN idempotency_keys.status IS 'of the answer; null until it was made';
COMMENT ON COLUMN idempotency_keys.at IS 'nanoseconds since the epoch';
CREATE INDEX ix_idempotency_keys_at ON idempotency_keys (at);
UPDATE alembic_version SET version_num='9f2e6d7b3a50' WHERE alembic_version.version_num = '5e1d9a70c4b6';
SET LOCAL lock_timeout = '5s';
CREATE TABLE erasures (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	selector TEXT NOT NULL, 
	selector_hash BYTEA, 
	selector_sealed BYTEA, 
	reason TEXT NOT NULL, 
	requested_by TEXT NOT NULL, 
	requested_at BIGINT NOT NULL, 
	upto BIGINT NOT NULL, 
	expected BIGINT, 
	erased BIGINT DEFAULT '0' NOT NULL, 
	cursor_moment BIGINT DEFAULT '0' NOT NULL, 
	cursor_number BIGINT DEFAULT '0' NOT NULL, 
	shown TEXT NOT NULL, 
	erased_at BIGINT, 
	finished_at BIGINT, 
	certificate TEXT, 
	continues UUID, 
	reapplied BOOLEAN DEFAULT 'false' NOT NULL, 
	CONSTRAINT pk_erasures PRIMARY KEY (workspace_id, id)
)
 WITH (fillfactor = 70);
COMMENT ON COLUMN erasures.kind IS 'erasure or retention';
COMMENT ON COLUMN erasures.status IS 'erasing, held, cleaning or finished';
COMMENT ON COLUMN erasures.selector IS 'userId, resourceId, filter or retention';
COMMENT ON COLUMN erasures.selector_hash IS 'keyed: 16 bytes, like keys.u and keys.r of an envelope';
COMMENT ON COLUMN erasures.selector_sealed IS 'what is to be erased; null once it is';
COMMENT ON COLUMN erasures.requested_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN erasures.upto IS 'the highest number when it was asked for';
COMMENT ON COLUMN erasures.expected IS 'rows found when it was asked for, as far as they were counted';
COMMENT ON COLUMN erasures.erased IS 'rows whose content is destroyed';
COMMENT ON COLUMN erasures.shown IS 'what stands in the place of the content: erased, by whom, why';
COMMENT ON COLUMN erasures.erased_at IS 'nanoseconds since the epoch, of the last row';
COMMENT ON COLUMN erasures.finished_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN erasures.certificate IS 'a signed note';
COMMENT ON COLUMN erasures.continues IS 'the erasure whose certificate was full';
COMMENT ON COLUMN erasures.reapplied IS 'done again after a restore';
CREATE INDEX ix_erasures_open ON erasures (workspace_id, id) WHERE status <> 'finished';
CREATE TABLE erasure_ranges (
	workspace_id UUID NOT NULL, 
	first BIGINT NOT NULL, 
	last BIGINT NOT NULL, 
	erasure_id UUID NOT NULL, 
	CONSTRAINT pk_erasure_ranges PRIMARY KEY (workspace_id, first)
);
CREATE INDEX ix_erasure_ranges_erasure ON erasure_ranges (workspace_id, erasure_id, first);
CREATE TABLE legal_holds (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	reason TEXT NOT NULL, 
	filter_sealed BYTEA NOT NULL, 
	set_by TEXT NOT NULL, 
	set_at BIGINT NOT NULL, 
	ends_at BIGINT, 
	CONSTRAINT pk_legal_holds PRIMARY KEY (workspace_id, id)
);
COMMENT ON COLUMN legal_holds.filter_sealed IS 'the filter as JSON';
COMMENT ON COLUMN legal_holds.set_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN legal_holds.ends_at IS 'nanoseconds since the epoch; null: until it is lifted';
CREATE TABLE retention_policies (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	resource_type_id UUID, 
	action_id UUID, 
	days INTEGER, 
	swept BIGINT DEFAULT '0' NOT NULL, 
	checked_at BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_retention_policies PRIMARY KEY (workspace_id, id)
);
COMMENT ON COLUMN retention_policies.resource_type_id IS 'null: any';
COMMENT ON COLUMN retention_policies.action_id IS 'null: any';
COMMENT ON COLUMN retention_policies.days IS 'age at which content goes; null: never';
COMMENT ON COLUMN retention_policies.swept IS 'rows up to this number were looked at';
COMMENT ON COLUMN retention_policies.checked_at IS 'nanoseconds since the epoch';
ALTER TABLE interactions ALTER COLUMN content SET STATISTICS 0, ALTER COLUMN salt SET STATISTICS 0;
UPDATE alembic_version SET version_num='e5a90c3b7f14' WHERE alembic_version.version_num = '9f2e6d7b3a50';
SET LOCAL lock_timeout = '5s';
ALTER TABLE completeness_maps ADD COLUMN verifier_key TEXT;
COMMENT ON COLUMN completeness_maps.verifier_key IS 'of the key that signed the note';
ALTER TABLE completeness_maps DROP COLUMN key_generation;
UPDATE alembic_version SET version_num='a1c64f2e98b7' WHERE alembic_version.version_num = 'e5a90c3b7f14';
SET LOCAL lock_timeout = '5s';
ALTER TABLE workspaces ADD COLUMN default_region TEXT DEFAULT 'local' NOT NULL;
ALTER TABLE workspaces ADD COLUMN data_retention_days INTEGER DEFAULT '90' NOT NULL;
ALTER TABLE workspaces ADD COLUMN self_approval BOOLEAN DEFAULT 'false' NOT NULL;
ALTER TABLE workspaces ADD COLUMN fresh_login_minutes INTEGER;
COMMENT ON COLUMN workspaces.fresh_login_minutes IS 'null: the installation''s setting';
ALTER TABLE workspaces ADD COLUMN default_approvers TEXT[] DEFAULT '{group:approvers}' NOT NULL;
COMMENT ON COLUMN workspaces.default_approvers IS 'kind:id each';
ALTER TABLE workspaces ADD COLUMN created_by TEXT DEFAULT 'system' NOT NULL;
ALTER TABLE workspaces ADD COLUMN updated_at BIGINT;
COMMENT ON COLUMN workspaces.updated_at IS 'null until the first change';
ALTER TABLE workspaces ADD COLUMN updated_by TEXT;
CREATE TABLE environments (
	workspace_id UUID NOT NULL, 
	slug TEXT NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT DEFAULT '' NOT NULL, 
	protected BOOLEAN NOT NULL, 
	position INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_environments PRIMARY KEY (workspace_id, slug), 
	CONSTRAINT fk_environments_workspace_id FOREIGN KEY(workspace_id) REFERENCES workspaces (id)
);
COMMENT ON COLUMN environments.protected IS 'changes there ask for an extra confirmation';
INSERT INTO environments (workspace_id, slug, name, protected, position, created_at) SELECT w.id, e.slug, initcap(e.slug), e.slug = 'production', e.position - 1, w.created_at FROM workspaces w, unnest(ARRAY['production', 'staging', 'development']) WITH ORDINALITY AS e(slug, position) WHERE NOT w.instance;
ALTER TABLE api_keys ADD COLUMN expires_at BIGINT;
COMMENT ON COLUMN api_keys.expires_at IS 'null: never';
ALTER TABLE api_keys ADD COLUMN networks TEXT[];
COMMENT ON COLUMN api_keys.networks IS 'where it may be used from; null: anywhere';
ALTER TABLE api_keys ADD COLUMN last_used_at BIGINT;
COMMENT ON COLUMN api_keys.last_used_at IS 'to the minute';
CREATE TABLE person_erasures (
	person_id UUID NOT NULL, 
	id UUID NOT NULL, 
	events BIGINT NOT NULL, 
	erased_at BIGINT NOT NULL, 
	erased_by TEXT NOT NULL, 
	CONSTRAINT pk_person_erasures PRIMARY KEY (person_id), 
	CONSTRAINT fk_person_erasures_person_id FOREIGN KEY(person_id) REFERENCES people (id), 
	CONSTRAINT uq_person_erasures_id UNIQUE (id)
);
COMMENT ON COLUMN person_erasures.id IS 'of the erasure; the tombstone is made of it';
COMMENT ON COLUMN person_erasures.events IS 'platform rows whose person is nobody now';
DROP TRIGGER auth_changed ON api_keys;
CREATE TRIGGER auth_changed AFTER UPDATE OF revoked_at, scopes, expires_at, networks OR DELETE ON api_keys FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
CREATE TRIGGER auth_changed AFTER UPDATE OF fresh_login_minutes ON workspaces FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
UPDATE alembic_version SET version_num='2c6f81ad940e' WHERE alembic_version.version_num = 'a1c64f2e98b7';
SET LOCAL lock_timeout = '5s';
CREATE TABLE audit_streams (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	target JSONB NOT NULL, 
	sealed BYTEA, 
	filter JSONB NOT NULL, 
	paused BOOLEAN NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_audit_streams PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_audit_streams_workspace_id_name UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN audit_streams.target IS 'what may be shown';
COMMENT ON COLUMN audit_streams.sealed IS 'the target''s secrets, a JSON object of texts';
COMMENT ON COLUMN audit_streams.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN audit_streams.updated_at IS 'nanoseconds since the epoch';
CREATE TABLE audit_stream_cursors (
	workspace_id UUID NOT NULL, 
	stream_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	pinned_upto BIGINT, 
	due_at BIGINT NOT NULL, 
	lease UUID, 
	leased_until BIGINT NOT NULL, 
	delivered BIGINT NOT NULL, 
	refused BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	said TEXT, 
	failed_at BIGINT, 
	acknowledged_at BIGINT, 
	CONSTRAINT pk_audit_stream_cursors PRIMARY KEY (workspace_id, stream_id), 
	CONSTRAINT fk_audit_stream_cursors_workspace_id_stream_id FOREIGN KEY(workspace_id, stream_id) REFERENCES audit_streams (workspace_id, id) ON DELETE CASCADE
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN audit_stream_cursors.number IS 'of the last row acknowledged or passed by';
COMMENT ON COLUMN audit_stream_cursors.pinned_upto IS 'the end of the batch in hand: it stays the same when it is sent again';
COMMENT ON COLUMN audit_stream_cursors.due_at IS 'nanoseconds since the epoch; nothing is sent before';
COMMENT ON COLUMN audit_stream_cursors.lease IS 'of the worker that has it in hand';
COMMENT ON COLUMN audit_stream_cursors.leased_until IS 'nanoseconds since the epoch; then another may';
COMMENT ON COLUMN audit_stream_cursors.delivered IS 'events acknowledged, repeats counted again';
COMMENT ON COLUMN audit_stream_cursors.refused IS 'events that a target took and threw away';
COMMENT ON COLUMN audit_stream_cursors.failures IS 'in a row';
COMMENT ON COLUMN audit_stream_cursors.said IS 'by the target, the last time';
COMMENT ON COLUMN audit_stream_cursors.failed_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN audit_stream_cursors.acknowledged_at IS 'nanoseconds since the epoch';
CREATE INDEX ix_audit_stream_cursors_due ON audit_stream_cursors (due_at);
UPDATE alembic_version SET version_num='c27b81f5e0d3' WHERE alembic_version.version_num = '2c6f81ad940e';
SET LOCAL lock_timeout = '5s';
CREATE TABLE secrets (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	type TEXT NOT NULL, 
	description TEXT, 
	tags TEXT[] NOT NULL, 
	version INTEGER NOT NULL, 
	rotation_mode TEXT NOT NULL, 
	every_days INTEGER, 
	grace_minutes INTEGER NOT NULL, 
	next_at BIGINT, 
	last_at BIGINT, 
	due_told_at BIGINT, 
	last_accessed_at BIGINT, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	purge_at BIGINT, 
	CONSTRAINT pk_secrets PRIMARY KEY (workspace_id, id)
)
 WITH (fillfactor = 80);
COMMENT ON COLUMN secrets.version IS 'the current one, from 1';
COMMENT ON COLUMN secrets.rotation_mode IS 'manual, interval or generated';
COMMENT ON COLUMN secrets.next_at IS 'when the next rotation is due, nanoseconds since the epoch';
COMMENT ON COLUMN secrets.last_at IS 'of the last rotation';
COMMENT ON COLUMN secrets.due_told_at IS 'when secret.rotation_due was recorded for this next_at';
COMMENT ON COLUMN secrets.last_accessed_at IS 'to the minute';
COMMENT ON COLUMN secrets.purge_at IS 'set when it is deleted: when its values are destroyed';
CREATE UNIQUE INDEX uq_secrets_name ON secrets (workspace_id, name) WHERE purge_at IS NULL;
CREATE TABLE secret_references (
	workspace_id UUID NOT NULL, 
	secret_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	referrer TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	CONSTRAINT pk_secret_references PRIMARY KEY (workspace_id, secret_id, kind, referrer), 
	CONSTRAINT fk_secret_references_workspace_id_secret_id FOREIGN KEY(workspace_id, secret_id) REFERENCES secrets (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN secret_references.kind IS 'what refers to it, such as connection';
COMMENT ON COLUMN secret_references.referrer IS 'its id on the wire';
CREATE INDEX ix_secret_references_referrer ON secret_references (workspace_id, kind, referrer);
CREATE TABLE secret_versions (
	workspace_id UUID NOT NULL, 
	secret_id UUID NOT NULL, 
	version INTEGER NOT NULL, 
	sealed BYTEA, 
	created_at BIGINT NOT NULL, 
	valid_until BIGINT, 
	CONSTRAINT pk_secret_versions PRIMARY KEY (workspace_id, secret_id, version), 
	CONSTRAINT fk_secret_versions_workspace_id_secret_id FOREIGN KEY(workspace_id, secret_id) REFERENCES secrets (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN secret_versions.sealed IS 'null once the version is retired';
COMMENT ON COLUMN secret_versions.valid_until IS 'end of its grace; null while it is the current one';
UPDATE alembic_version SET version_num='7d05b3e9a2c4' WHERE alembic_version.version_num = 'c27b81f5e0d3';
SET LOCAL lock_timeout = '5s';
CREATE TABLE notification_settings (
	workspace_id UUID NOT NULL, 
	channels JSONB NOT NULL, 
	rules JSONB NOT NULL, 
	recipients BYTEA NOT NULL, 
	secret BYTEA, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_notification_settings PRIMARY KEY (workspace_id)
);
COMMENT ON COLUMN notification_settings.channels IS 'what may be shown, without recipients';
COMMENT ON COLUMN notification_settings.recipients IS 'of mail, sealed';
COMMENT ON COLUMN notification_settings.secret IS 'of the webhook, sealed';
COMMENT ON COLUMN notification_settings.updated_at IS 'nanoseconds since the epoch';
CREATE TABLE notification_deliveries (
	workspace_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	channel TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	due_at BIGINT NOT NULL, 
	lease UUID, 
	leased_until BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	CONSTRAINT pk_notification_deliveries PRIMARY KEY (workspace_id, number, channel)
)
 WITH (fillfactor = 70);
COMMENT ON COLUMN notification_deliveries.number IS 'of the event''s row';
COMMENT ON COLUMN notification_deliveries.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN notification_deliveries.due_at IS 'nanoseconds since the epoch; not told before';
COMMENT ON COLUMN notification_deliveries.lease IS 'of the worker that has it in hand';
COMMENT ON COLUMN notification_deliveries.leased_until IS 'nanoseconds since the epoch; then another may';
CREATE INDEX ix_notification_deliveries_due ON notification_deliveries (due_at);
CREATE TABLE audit_digests (
	workspace_id UUID NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	frequency TEXT NOT NULL, 
	recipients BYTEA NOT NULL, 
	risk_levels TEXT[] NOT NULL, 
	hour_utc INTEGER NOT NULL, 
	timezone TEXT NOT NULL, 
	include_csv BOOLEAN NOT NULL, 
	number BIGINT NOT NULL, 
	run_at BIGINT, 
	due_at BIGINT, 
	phase TEXT NOT NULL, 
	lease UUID, 
	leased_until BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	said TEXT, 
	last_sent_at BIGINT, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_audit_digests PRIMARY KEY (workspace_id)
);
COMMENT ON COLUMN audit_digests.recipients IS 'sealed';
COMMENT ON COLUMN audit_digests.number IS 'of the last row that a digest covered';
COMMENT ON COLUMN audit_digests.run_at IS 'nanoseconds since the epoch; when the next one is for, null when off';
COMMENT ON COLUMN audit_digests.due_at IS 'nanoseconds since the epoch; when it is tried next, null when off';
COMMENT ON COLUMN audit_digests.phase IS 'waiting, or handing_over while the mail server has the text';
COMMENT ON COLUMN audit_digests.lease IS 'of the worker that has it in hand';
COMMENT ON COLUMN audit_digests.leased_until IS 'nanoseconds since the epoch; then another may';
COMMENT ON COLUMN audit_digests.failures IS 'in a row';
COMMENT ON COLUMN audit_digests.said IS 'why it was not sent the last time';
COMMENT ON COLUMN audit_digests.last_sent_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN audit_digests.updated_at IS 'nanoseconds since the epoch';
CREATE INDEX ix_audit_digests_due ON audit_digests (due_at);
UPDATE alembic_version SET version_num='4be0d97a63c1' WHERE alembic_version.version_num = '7d05b3e9a2c4';
SET LOCAL lock_timeout = '5s';
CREATE TABLE workflows (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	family_id UUID NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT DEFAULT '' NOT NULL, 
	environment TEXT, 
	tags TEXT[] DEFAULT '{}' NOT NULL, 
	owner TEXT NOT NULL, 
	max_concurrent_runs INTEGER, 
	triggers_off TEXT[] DEFAULT '{}' NOT NULL, 
	revision INTEGER DEFAULT '1' NOT NULL, 
	latest_version INTEGER DEFAULT '0' NOT NULL, 
	live_version INTEGER, 
	live_checksum TEXT, 
	draft TEXT NOT NULL, 
	draft_revision INTEGER DEFAULT '1' NOT NULL, 
	draft_checksum TEXT NOT NULL, 
	draft_based_on INTEGER, 
	draft_updated_at BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	deleted_at BIGINT, 
	CONSTRAINT pk_workflows PRIMARY KEY (workspace_id, id), 
	CONSTRAINT fk_workflows_environment FOREIGN KEY(workspace_id, environment) REFERENCES environments (workspace_id, slug)
);
COMMENT ON COLUMN workflows.family_id IS 'shared with the same workflow in other environments';
COMMENT ON COLUMN workflows.environment IS 'null once it is deleted, so that it holds no environment';
COMMENT ON COLUMN workflows.owner IS 'user_…, or who made it';
COMMENT ON COLUMN workflows.max_concurrent_runs IS 'null: no limit';
COMMENT ON COLUMN workflows.triggers_off IS 'types switched off';
COMMENT ON COLUMN workflows.revision IS 'of the metadata, for If-Match';
COMMENT ON COLUMN workflows.live_version IS 'null: not deployed';
COMMENT ON COLUMN workflows.draft IS 'JSON in canonical form, valid or not';
COMMENT ON COLUMN workflows.draft_checksum IS 'what publishing it would give; of its text when invalid';
COMMENT ON COLUMN workflows.draft_based_on IS 'the version it was begun from';
CREATE INDEX ix_workflows_family ON workflows (workspace_id, family_id);
CREATE INDEX ix_workflows_updated ON workflows (workspace_id, updated_at, id);
CREATE UNIQUE INDEX uq_workflows_name ON workflows (workspace_id, environment, name) WHERE deleted_at IS NULL;
CREATE TABLE workflow_versions (
	workspace_id UUID NOT NULL, 
	workflow_id UUID NOT NULL, 
	version INTEGER NOT NULL, 
	definition TEXT NOT NULL, 
	checksum TEXT NOT NULL, 
	note TEXT DEFAULT '' NOT NULL, 
	promoted_from UUID, 
	promoted_version INTEGER, 
	published_at BIGINT NOT NULL, 
	published_by TEXT NOT NULL, 
	CONSTRAINT pk_workflow_versions PRIMARY KEY (workspace_id, workflow_id, version), 
	CONSTRAINT fk_workflow_versions_workflow FOREIGN KEY(workspace_id, workflow_id) REFERENCES workflows (workspace_id, id)
);
COMMENT ON COLUMN workflow_versions.definition IS 'JSON in canonical form; its SHA-256 is the checksum';
COMMENT ON COLUMN workflow_versions.promoted_from IS 'the workflow it was promoted from';
CREATE TABLE workflow_secrets (
	workspace_id UUID NOT NULL, 
	workflow_id UUID NOT NULL, 
	id UUID NOT NULL, 
	sealed BYTEA NOT NULL, 
	created_at BIGINT NOT NULL, 
	valid_until BIGINT, 
	CONSTRAINT pk_workflow_secrets PRIMARY KEY (workspace_id, workflow_id, id), 
	CONSTRAINT fk_workflow_secrets_workflow FOREIGN KEY(workspace_id, workflow_id) REFERENCES workflows (workspace_id, id)
);
COMMENT ON COLUMN workflow_secrets.valid_until IS 'null: it is the current one';
CREATE TABLE workflow_triggers (
	workspace_id UUID NOT NULL, 
	workflow_id UUID NOT NULL, 
	key TEXT NOT NULL, 
	type TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	cron TEXT, 
	timezone TEXT, 
	overlap TEXT, 
	catch_up TEXT, 
	next_at BIGINT, 
	topic_pattern TEXT, 
	filter TEXT, 
	CONSTRAINT pk_workflow_triggers PRIMARY KEY (workspace_id, workflow_id, key), 
	CONSTRAINT fk_workflow_triggers_workflow FOREIGN KEY(workspace_id, workflow_id) REFERENCES workflows (workspace_id, id)
);
COMMENT ON COLUMN workflow_triggers.key IS 'of the trigger step in the live version';
COMMENT ON COLUMN workflow_triggers.next_at IS 'nanoseconds since the epoch; null: it never runs again, or is switched off';
COMMENT ON COLUMN workflow_triggers.filter IS 'CEL over topic, payload and message';
CREATE INDEX ix_workflow_triggers_event ON workflow_triggers (workspace_id, type) WHERE topic_pattern IS NOT NULL AND enabled;
CREATE INDEX ix_workflow_triggers_next_at ON workflow_triggers (next_at) WHERE next_at IS NOT NULL;
CREATE FUNCTION workflow_versions_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'a published version never changes'; END $$;
CREATE TRIGGER workflow_versions_stay BEFORE UPDATE OR DELETE ON workflow_versions FOR EACH ROW EXECUTE FUNCTION workflow_versions_stay();
UPDATE alembic_version SET version_num='b81e5d0c7a36' WHERE alembic_version.version_num = '4be0d97a63c1';
SET LOCAL lock_timeout = '5s';
CREATE TABLE connections (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	integration TEXT NOT NULL, 
	auth_type TEXT NOT NULL, 
	environment TEXT, 
	config JSONB NOT NULL, 
	status TEXT NOT NULL, 
	account_id TEXT, 
	account_label TEXT, 
	scopes TEXT[] NOT NULL, 
	credential_sealed BYTEA, 
	tokens_sealed BYTEA, 
	tokens_revision INTEGER NOT NULL, 
	expires_at BIGINT, 
	lease UUID, 
	lease_until BIGINT, 
	last_refreshed_at BIGINT, 
	last_used_at BIGINT, 
	last_error TEXT, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_connections PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_connections_workspace_id_name UNIQUE (workspace_id, name)
)
 WITH (fillfactor = 80);
COMMENT ON COLUMN connections.status IS 'pending, active, paused or error';
COMMENT ON COLUMN connections.scopes IS 'granted, or to be asked for';
COMMENT ON COLUMN connections.credential_sealed IS 'what was sent as the credential';
COMMENT ON COLUMN connections.tokens_sealed IS 'what the provider gave out';
COMMENT ON COLUMN connections.tokens_revision IS 'counts what the provider gave out';
COMMENT ON COLUMN connections.expires_at IS 'of the access token, nanoseconds since the epoch';
COMMENT ON COLUMN connections.lease IS 'whoever fetches tokens right now';
COMMENT ON COLUMN connections.last_used_at IS 'to the minute';
CREATE TABLE connection_authorizations (
	workspace_id UUID NOT NULL, 
	digest BYTEA NOT NULL, 
	connection_id UUID NOT NULL, 
	person TEXT NOT NULL, 
	sealed BYTEA NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_connection_authorizations PRIMARY KEY (workspace_id, digest), 
	CONSTRAINT fk_connection_authorizations_workspace_id_connection_id FOREIGN KEY(workspace_id, connection_id) REFERENCES connections (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN connection_authorizations.digest IS 'SHA-256 of the state';
COMMENT ON COLUMN connection_authorizations.person IS 'who asked';
COMMENT ON COLUMN connection_authorizations.sealed IS 'the proof key and what was asked for';
CREATE TABLE connection_references (
	workspace_id UUID NOT NULL, 
	connection_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	referrer TEXT NOT NULL, 
	CONSTRAINT pk_connection_references PRIMARY KEY (workspace_id, connection_id, kind, referrer), 
	CONSTRAINT fk_connection_references_workspace_id_connection_id FOREIGN KEY(workspace_id, connection_id) REFERENCES connections (workspace_id, id)
);
COMMENT ON COLUMN connection_references.kind IS 'what works with it, such as workflow';
COMMENT ON COLUMN connection_references.referrer IS 'its id on the wire';
CREATE INDEX ix_connection_references_referrer ON connection_references (workspace_id, kind, referrer);
UPDATE alembic_version SET version_num='4be17c90d5f8' WHERE alembic_version.version_num = 'b81e5d0c7a36';
SET LOCAL lock_timeout = '5s';
COMMENT ON COLUMN idempotency_keys.request IS 'keyed hash of the canonical body';
UPDATE alembic_version SET version_num='d2905c6be817' WHERE alembic_version.version_num = '4be17c90d5f8';
SET LOCAL lock_timeout = '5s';
CREATE TABLE engine_workers (
	id UUID NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	beat TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	CONSTRAINT pk_engine_workers PRIMARY KEY (id)
);
CREATE TABLE run_steps (
	workspace_id UUID NOT NULL, 
	run_id UUID NOT NULL, 
	step_key TEXT NOT NULL, 
	iteration INTEGER NOT NULL, 
	attempt SMALLINT NOT NULL, 
	place INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	status TEXT NOT NULL, 
	handled BOOLEAN DEFAULT false NOT NULL, 
	choice TEXT, 
	input TEXT, 
	output TEXT, 
	error TEXT, 
	logs TEXT, 
	usage TEXT, 
	started_at BIGINT, 
	ended_at BIGINT, 
	CONSTRAINT pk_run_steps PRIMARY KEY (workspace_id, run_id, step_key, iteration, attempt)
);
COMMENT ON COLUMN run_steps.iteration IS '0: the step itself; from 1: one item of its forEach';
COMMENT ON COLUMN run_steps.place IS 'the order in which it first started in this run, from 1';
COMMENT ON COLUMN run_steps.handled IS 'a failure that ended nothing';
COMMENT ON COLUMN run_steps.choice IS 'the case that a logic step took, or what people decided';
CREATE TABLE run_waits (
	workspace_id UUID NOT NULL, 
	run_id UUID NOT NULL, 
	step_key TEXT NOT NULL, 
	iteration INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	due TIMESTAMP WITH TIME ZONE, 
	ref TEXT, 
	resolved TIMESTAMP WITH TIME ZONE, 
	outcome TEXT, 
	CONSTRAINT pk_run_waits PRIMARY KEY (workspace_id, run_id, step_key, iteration)
);
COMMENT ON COLUMN run_waits.kind IS 'approval, timer, retry, child or event';
COMMENT ON COLUMN run_waits.ref IS 'what it waits for: an approval''s id, a child''s';
COMMENT ON COLUMN run_waits.outcome IS 'JSON, handed to the step when it goes on';
CREATE TABLE runs (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	workflow_id UUID NOT NULL, 
	version INTEGER NOT NULL, 
	environment TEXT NOT NULL, 
	state TEXT NOT NULL, 
	status TEXT NOT NULL, 
	slot SMALLINT, 
	max_concurrent SMALLINT, 
	epoch INTEGER DEFAULT '0' NOT NULL, 
	seq INTEGER DEFAULT '0' NOT NULL, 
	signal INTEGER DEFAULT '0' NOT NULL, 
	owner UUID, 
	priority SMALLINT DEFAULT '0' NOT NULL, 
	run_after TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, 
	parked_at TIMESTAMP WITH TIME ZONE, 
	deadline TIMESTAMP WITH TIME ZONE NOT NULL, 
	takeovers SMALLINT DEFAULT '0' NOT NULL, 
	needs TEXT[], 
	start_key TEXT, 
	trigger_type TEXT NOT NULL, 
	triggered_by TEXT NOT NULL, 
	triggered_by_kind TEXT NOT NULL, 
	hop_count SMALLINT DEFAULT '0' NOT NULL, 
	replay_of UUID, 
	parent_id UUID, 
	parent_token TEXT, 
	about TEXT NOT NULL, 
	input TEXT NOT NULL, 
	output TEXT, 
	error TEXT, 
	started_at BIGINT NOT NULL, 
	ended_at BIGINT, 
	CONSTRAINT pk_runs PRIMARY KEY (workspace_id, id)
)
 WITH (fillfactor = 75);
COMMENT ON COLUMN runs.id IS 'also its unit of work and the span of the run itself';
COMMENT ON COLUMN runs.state IS 'queued, running, parked or ended';
COMMENT ON COLUMN runs.status IS 'as it reads on the wire';
COMMENT ON COLUMN runs.slot IS 'of a limited workflow: 0 waits for its turn, 1 has it';
COMMENT ON COLUMN runs.max_concurrent IS 'how many runs of its workflow may have a slot';
COMMENT ON COLUMN runs.epoch IS 'raised by each owner; the fence';
COMMENT ON COLUMN runs.seq IS 'checkpoints so far';
COMMENT ON COLUMN runs.signal IS 'raised when a wait is resolved';
COMMENT ON COLUMN runs.deadline IS 'moved on by the time spent waiting for people';
COMMENT ON COLUMN runs.takeovers IS 'since the last outcome of a step';
COMMENT ON COLUMN runs.needs IS 'step kinds beyond those every worker has';
COMMENT ON COLUMN runs.start_key IS 'of a start that must happen once, such as evt:… or sch:…';
COMMENT ON COLUMN runs.parent_id IS 'the run that waits for this one, or started it';
COMMENT ON COLUMN runs.parent_token IS 'the wait that the end of this run resolves';
COMMENT ON COLUMN runs.about IS 'JSON: entry, trigger, correlationId and what else never changes';
COMMENT ON COLUMN runs.started_at IS 'nanoseconds since the epoch: when it was accepted';
CREATE INDEX ix_runs_limited ON runs (workspace_id, workflow_id) WHERE slot IS NOT NULL AND state <> 'ended';
CREATE INDEX ix_runs_owned ON runs (owner) WHERE state = 'running';
CREATE INDEX ix_runs_ready ON runs (priority DESC, run_after) WHERE state = 'queued' AND slot IS DISTINCT FROM 0;
CREATE INDEX ix_runs_status ON runs (workspace_id, status, id) WHERE status <> 'completed';
CREATE INDEX ix_runs_timers ON runs (run_after) WHERE state = 'parked';
CREATE INDEX ix_runs_workflow ON runs (workspace_id, workflow_id, id);
CREATE UNIQUE INDEX uq_runs_start_key ON runs (workspace_id, start_key) WHERE start_key IS NOT NULL;
UPDATE alembic_version SET version_num='c3f07ab52e94' WHERE alembic_version.version_num = 'd2905c6be817';
SET LOCAL lock_timeout = '5s';
CREATE TABLE webhook_deliveries (
	workspace_id UUID NOT NULL, 
	workflow_id UUID NOT NULL, 
	delivery BYTEA NOT NULL, 
	run_id UUID NOT NULL, 
	status TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_webhook_deliveries PRIMARY KEY (workspace_id, workflow_id, delivery)
);
COMMENT ON COLUMN webhook_deliveries.delivery IS 'keyed hash of what names it';
COMMENT ON COLUMN webhook_deliveries.run_id IS 'the run that the first of its requests started';
COMMENT ON COLUMN webhook_deliveries.status IS 'of the run, as that request was answered';
COMMENT ON COLUMN webhook_deliveries.at IS 'nanoseconds since the epoch';
CREATE INDEX ix_webhook_deliveries_at ON webhook_deliveries (at);
CREATE INDEX ix_workflow_secrets_workflow_id ON workflow_secrets (workflow_id);
UPDATE alembic_version SET version_num='5b7e2c91d0a4' WHERE alembic_version.version_num = 'c3f07ab52e94';
SET LOCAL lock_timeout = '5s';
CREATE TABLE approvals (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	token TEXT NOT NULL, 
	run_id UUID NOT NULL, 
	step_key TEXT NOT NULL, 
	iteration INTEGER NOT NULL, 
	attempt SMALLINT NOT NULL, 
	step_id TEXT NOT NULL, 
	span_id UUID NOT NULL, 
	workflow_id UUID NOT NULL, 
	workflow_name TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	version_checksum TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	started_by TEXT, 
	title TEXT NOT NULL, 
	action TEXT, 
	summary TEXT, 
	risk TEXT NOT NULL, 
	status TEXT NOT NULL, 
	assignees TEXT[] DEFAULT '{}' NOT NULL, 
	required SMALLINT NOT NULL, 
	policy_revision TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	payload_revision INTEGER DEFAULT '1' NOT NULL, 
	payload_schema TEXT, 
	evidence TEXT NOT NULL, 
	sla_minutes INTEGER NOT NULL, 
	due_at BIGINT NOT NULL, 
	expires_at BIGINT, 
	on_breach TEXT NOT NULL, 
	escalate_to TEXT[] DEFAULT '{}' NOT NULL, 
	breached_at BIGINT, 
	requested_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	decided_at BIGINT, 
	decided_by TEXT, 
	via_grant_id UUID, 
	CONSTRAINT pk_approvals PRIMARY KEY (workspace_id, id)
);
COMMENT ON COLUMN approvals.token IS 'of the wait that a decision ends';
COMMENT ON COLUMN approvals.span_id IS 'of the step: what is recorded hangs below it';
COMMENT ON COLUMN approvals.started_by IS 'user_… who started the run, or made the key that did; null: nobody';
COMMENT ON COLUMN approvals.status IS 'pending, approved, rejected, expired or cancelled';
COMMENT ON COLUMN approvals.assignees IS 'kind:id each';
COMMENT ON COLUMN approvals.required IS 'how many people have to approve';
COMMENT ON COLUMN approvals.payload IS 'JSON as it stands';
COMMENT ON COLUMN approvals.payload_schema IS 'JSON Schema; null: anything fits';
COMMENT ON COLUMN approvals.evidence IS 'JSON list of label, value, tone';
COMMENT ON COLUMN approvals.expires_at IS 'null: never';
COMMENT ON COLUMN approvals.on_breach IS 'notify, escalate, reject or approve';
COMMENT ON COLUMN approvals.escalate_to IS 'kind:id each';
COMMENT ON COLUMN approvals.decided_by IS 'user_…, or system';
CREATE INDEX ix_approvals_due ON approvals (due_at) WHERE status = 'pending' AND breached_at IS NULL;
CREATE INDEX ix_approvals_pending ON approvals (workspace_id, id) WHERE status = 'pending';
CREATE INDEX ix_approvals_run ON approvals (workspace_id, run_id);
CREATE INDEX ix_approvals_workflow ON approvals (workspace_id, workflow_id, id);
CREATE TABLE approval_revisions (
	workspace_id UUID NOT NULL, 
	approval_id UUID NOT NULL, 
	revision INTEGER NOT NULL, 
	payload TEXT NOT NULL, 
	made_at BIGINT NOT NULL, 
	made_by TEXT NOT NULL, 
	CONSTRAINT pk_approval_revisions PRIMARY KEY (workspace_id, approval_id, revision), 
	CONSTRAINT fk_approval_revisions_approval FOREIGN KEY(workspace_id, approval_id) REFERENCES approvals (workspace_id, id) ON DELETE CASCADE
);
CREATE TABLE approval_decisions (
	workspace_id UUID NOT NULL, 
	approval_id UUID NOT NULL, 
	revision INTEGER NOT NULL, 
	decided_by TEXT NOT NULL, 
	decision TEXT NOT NULL, 
	comment TEXT, 
	rule TEXT, 
	at BIGINT NOT NULL, 
	signature TEXT NOT NULL, 
	CONSTRAINT pk_approval_decisions PRIMARY KEY (workspace_id, approval_id, revision, decided_by), 
	CONSTRAINT fk_approval_decisions_approval FOREIGN KEY(workspace_id, approval_id) REFERENCES approvals (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN approval_decisions.revision IS 'the state that was decided on; an older one is void';
COMMENT ON COLUMN approval_decisions.rule IS 'what the system followed';
COMMENT ON COLUMN approval_decisions.signature IS 'Ed25519 in base64';
CREATE TABLE approval_comments (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	approval_id UUID NOT NULL, 
	author TEXT NOT NULL, 
	text TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_approval_comments PRIMARY KEY (workspace_id, id), 
	CONSTRAINT fk_approval_comments_approval FOREIGN KEY(workspace_id, approval_id) REFERENCES approvals (workspace_id, id) ON DELETE CASCADE
);
CREATE INDEX ix_approval_comments_approval ON approval_comments (workspace_id, approval_id, id);
UPDATE alembic_version SET version_num='9a1d7e42c0f6' WHERE alembic_version.version_num = '5b7e2c91d0a4';
SET LOCAL lock_timeout = '5s';
CREATE TABLE datastore_garbage (
	workspace_id UUID NOT NULL, 
	blob TEXT NOT NULL, 
	after BIGINT NOT NULL, 
	CONSTRAINT pk_datastore_garbage PRIMARY KEY (workspace_id, blob)
);
COMMENT ON COLUMN datastore_garbage.after IS 'when nobody can be reading it any more';
CREATE INDEX ix_datastore_garbage_after ON datastore_garbage (after);
CREATE TABLE datastore_uploads (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	datastore_id UUID NOT NULL, 
	key TEXT COLLATE "C" NOT NULL, 
	content_type TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	sha256 BYTEA, 
	only_new BOOLEAN NOT NULL, 
	direct BOOLEAN NOT NULL, 
	parts TEXT[] NOT NULL, 
	received_bytes BIGINT NOT NULL, 
	actor_kind TEXT NOT NULL, 
	actor_id TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	done_at BIGINT, 
	CONSTRAINT pk_datastore_uploads PRIMARY KEY (workspace_id, id)
);
COMMENT ON COLUMN datastore_uploads.id IS 'all its bytes are below this name in the object store';
COMMENT ON COLUMN datastore_uploads.datastore_id IS 'no foreign key: its bytes outlive the datastore';
COMMENT ON COLUMN datastore_uploads.size_bytes IS 'announced';
COMMENT ON COLUMN datastore_uploads.sha256 IS 'announced, or null';
COMMENT ON COLUMN datastore_uploads.only_new IS 'ifNoneMatch was asked for';
COMMENT ON COLUMN datastore_uploads.direct IS 'the address is the object store''s own';
COMMENT ON COLUMN datastore_uploads.parts IS 'what came in parts, in order';
COMMENT ON COLUMN datastore_uploads.received_bytes IS 'of all parts';
CREATE INDEX ix_datastore_uploads_direct ON datastore_uploads (workspace_id, datastore_id) WHERE direct AND done_at IS NULL;
CREATE INDEX ix_datastore_uploads_expires_at ON datastore_uploads (expires_at);
CREATE TABLE datastores (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT, 
	environment TEXT, 
	retention_days INTEGER, 
	max_object_bytes BIGINT, 
	quota_bytes BIGINT, 
	object_count BIGINT NOT NULL, 
	total_bytes BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_datastores PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_datastores_workspace_id_name UNIQUE (workspace_id, name)
)
 WITH (fillfactor = 80);
COMMENT ON COLUMN datastores.retention_days IS 'null: objects stay';
COMMENT ON COLUMN datastores.max_object_bytes IS 'null: the installation''s';
COMMENT ON COLUMN datastores.quota_bytes IS 'null: none';
CREATE TABLE datastore_objects (
	workspace_id UUID NOT NULL, 
	datastore_id UUID NOT NULL, 
	key TEXT COLLATE "C" NOT NULL, 
	id UUID NOT NULL, 
	blob TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	content_type TEXT NOT NULL, 
	sha256 BYTEA NOT NULL, 
	run_id UUID, 
	created_at BIGINT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_datastore_objects PRIMARY KEY (workspace_id, datastore_id, key), 
	CONSTRAINT fk_datastore_objects_workspace_id_datastore_id FOREIGN KEY(workspace_id, datastore_id) REFERENCES datastores (workspace_id, id)
);
COMMENT ON COLUMN datastore_objects.key IS 'listed in byte order';
COMMENT ON COLUMN datastore_objects.id IS 'what the ledger calls it; stays when it is written again';
COMMENT ON COLUMN datastore_objects.blob IS 'its bytes in the object store; another one at each write';
COMMENT ON COLUMN datastore_objects.run_id IS 'the run that wrote it';
CREATE INDEX ix_datastore_objects_updated_at ON datastore_objects (workspace_id, datastore_id, updated_at);
CREATE TABLE datastore_references (
	workspace_id UUID NOT NULL, 
	datastore_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	referrer TEXT NOT NULL, 
	CONSTRAINT pk_datastore_references PRIMARY KEY (workspace_id, datastore_id, kind, referrer), 
	CONSTRAINT fk_datastore_references_workspace_id_datastore_id FOREIGN KEY(workspace_id, datastore_id) REFERENCES datastores (workspace_id, id)
);
COMMENT ON COLUMN datastore_references.kind IS 'what works with it, such as workflow';
COMMENT ON COLUMN datastore_references.referrer IS 'its id on the wire';
CREATE INDEX ix_datastore_references_referrer ON datastore_references (workspace_id, kind, referrer);
UPDATE alembic_version SET version_num='7d3e91b6f0a2' WHERE alembic_version.version_num = '9a1d7e42c0f6';
SET LOCAL lock_timeout = '5s';
CREATE TABLE bus_arrivals (
	workspace_id UUID NOT NULL, 
	subscription_id TEXT NOT NULL, 
	key BYTEA NOT NULL, 
	message_id UUID NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_bus_arrivals PRIMARY KEY (workspace_id, subscription_id, key)
);
COMMENT ON COLUMN bus_arrivals.key IS 'SHA-256 of what names the delivery, or of the body';
COMMENT ON COLUMN bus_arrivals.at IS 'nanoseconds since the epoch';
CREATE INDEX ix_bus_arrivals_at ON bus_arrivals (at);
CREATE TABLE bus_deliveries (
	workspace_id UUID NOT NULL, 
	subscription_id TEXT NOT NULL, 
	seq BIGINT GENERATED ALWAYS AS IDENTITY, 
	message_id UUID NOT NULL, 
	lane BIGINT, 
	state TEXT NOT NULL, 
	due_at BIGINT NOT NULL, 
	lease UUID, 
	attempts SMALLINT NOT NULL, 
	published_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	settled_at BIGINT, 
	log TEXT, 
	CONSTRAINT pk_bus_deliveries PRIMARY KEY (workspace_id, subscription_id, seq)
)
 WITH (fillfactor = 80);
COMMENT ON COLUMN bus_deliveries.seq IS 'the order of one topic and key';
COMMENT ON COLUMN bus_deliveries.lane IS 'hash of topic and key; null: no order';
COMMENT ON COLUMN bus_deliveries.state IS 'open, delivered, dead, expired or dropped';
COMMENT ON COLUMN bus_deliveries.due_at IS 'nanoseconds since the epoch; nobody takes it before';
COMMENT ON COLUMN bus_deliveries.lease IS 'of whoever has it in hand until due_at';
COMMENT ON COLUMN bus_deliveries.published_at IS 'of the message, nanoseconds since the epoch';
COMMENT ON COLUMN bus_deliveries.expires_at IS 'of the message, nanoseconds since the epoch';
COMMENT ON COLUMN bus_deliveries.settled_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_deliveries.log IS 'JSON: what became of each attempt';
CREATE INDEX ix_bus_deliveries_dead ON bus_deliveries (workspace_id, seq) WHERE state = 'dead';
CREATE INDEX ix_bus_deliveries_lanes ON bus_deliveries (workspace_id, subscription_id, lane, seq) WHERE state = 'open' AND lane IS NOT NULL;
CREATE INDEX ix_bus_deliveries_leased ON bus_deliveries (workspace_id, subscription_id, due_at) WHERE state = 'open' AND lease IS NOT NULL;
CREATE INDEX ix_bus_deliveries_message ON bus_deliveries (workspace_id, message_id);
CREATE INDEX ix_bus_deliveries_open ON bus_deliveries (workspace_id, subscription_id, due_at) WHERE state = 'open';
CREATE TABLE bus_keys (
	workspace_id UUID NOT NULL, 
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	digest BYTEA NOT NULL, 
	topics TEXT[] NOT NULL, 
	actions TEXT[] NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	revoked_at BIGINT, 
	CONSTRAINT pk_bus_keys PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_bus_keys_id UNIQUE (id)
);
COMMENT ON COLUMN bus_keys.id IS 'letters and digits, without the prefix bkey_';
COMMENT ON COLUMN bus_keys.digest IS 'SHA-256 of the secret';
COMMENT ON COLUMN bus_keys.topics IS 'patterns of what it may publish to or pull';
COMMENT ON COLUMN bus_keys.actions IS 'publish, pull';
COMMENT ON COLUMN bus_keys.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_keys.revoked_at IS 'nanoseconds since the epoch';
CREATE TABLE bus_messages (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	topic TEXT NOT NULL, 
	topic_key TEXT, 
	payload TEXT, 
	payload_bytes INTEGER NOT NULL, 
	attributes TEXT, 
	producer_id TEXT NOT NULL, 
	producer_kind TEXT NOT NULL, 
	correlation_id TEXT, 
	hop_count SMALLINT NOT NULL, 
	origin_run_id UUID, 
	uow_id UUID NOT NULL, 
	schema_id UUID, 
	schema_version INTEGER, 
	schema_faults SMALLINT NOT NULL, 
	matched SMALLINT NOT NULL, 
	filtered SMALLINT NOT NULL, 
	published_at BIGINT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	CONSTRAINT pk_bus_messages PRIMARY KEY (workspace_id, id)
);
COMMENT ON COLUMN bus_messages.payload IS 'canonical JSON; null when it lies in bus_payloads';
COMMENT ON COLUMN bus_messages.attributes IS 'JSON: the context attributes of a CloudEvent';
COMMENT ON COLUMN bus_messages.producer_kind IS 'agent, workflow, system or webhook';
COMMENT ON COLUMN bus_messages.hop_count IS 'messages before it that caused it';
COMMENT ON COLUMN bus_messages.uow_id IS 'the unit of work that it belongs to; its own id when none is known';
COMMENT ON COLUMN bus_messages.schema_faults IS 'that the schema''s mode let pass';
COMMENT ON COLUMN bus_messages.matched IS 'subscriptions that got it';
COMMENT ON COLUMN bus_messages.filtered IS 'subscriptions to its topic whose filter it did not pass';
COMMENT ON COLUMN bus_messages.published_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_messages.expires_at IS 'nanoseconds since the epoch';
CREATE INDEX ix_bus_messages_correlation ON bus_messages (workspace_id, correlation_id, id) WHERE correlation_id IS NOT NULL;
CREATE INDEX ix_bus_messages_expires_at ON bus_messages (expires_at);
CREATE INDEX ix_bus_messages_topic ON bus_messages (workspace_id, topic, id);
CREATE TABLE bus_payloads (
	workspace_id UUID NOT NULL, 
	message_id UUID NOT NULL, 
	payload TEXT NOT NULL, 
	CONSTRAINT pk_bus_payloads PRIMARY KEY (workspace_id, message_id)
);
COMMENT ON COLUMN bus_payloads.payload IS 'canonical JSON';
CREATE TABLE bus_routings (
	workspace_id UUID NOT NULL, 
	version BIGINT NOT NULL, 
	CONSTRAINT pk_bus_routings PRIMARY KEY (workspace_id)
);
COMMENT ON COLUMN bus_routings.version IS 'raised by every change of a subscription or a schema';
CREATE TABLE bus_schemas (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	topic_pattern TEXT NOT NULL, 
	mode TEXT NOT NULL, 
	compatibility TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	schema JSONB NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_bus_schemas PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_bus_schemas_workspace_id_name UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN bus_schemas.mode IS 'reject or warn';
COMMENT ON COLUMN bus_schemas.compatibility IS 'none or backward';
COMMENT ON COLUMN bus_schemas.schema IS 'JSON Schema 2020-12';
COMMENT ON COLUMN bus_schemas.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_schemas.updated_at IS 'nanoseconds since the epoch';
CREATE TABLE bus_subscriptions (
	workspace_id UUID NOT NULL, 
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	direction TEXT NOT NULL, 
	topic_pattern TEXT, 
	filter JSONB, 
	kind TEXT NOT NULL, 
	target JSONB NOT NULL, 
	sealed BYTEA, 
	delivery JSONB NOT NULL, 
	dead_letter JSONB NOT NULL, 
	status TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_bus_subscriptions PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_bus_subscriptions_workspace_id_name UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN bus_subscriptions.id IS 'as it reads outside; a client may have chosen it';
COMMENT ON COLUMN bus_subscriptions.direction IS 'outbound or inbound';
COMMENT ON COLUMN bus_subscriptions.topic_pattern IS 'null for inbound ones';
COMMENT ON COLUMN bus_subscriptions.filter IS 'a CEL condition, or a list of rules';
COMMENT ON COLUMN bus_subscriptions.kind IS 'queue, webhook, workflow; inbound';
COMMENT ON COLUMN bus_subscriptions.target IS 'what may be shown of where messages go or come from';
COMMENT ON COLUMN bus_subscriptions.sealed IS 'the signing secrets and secret headers, a JSON object';
COMMENT ON COLUMN bus_subscriptions.status IS 'active or paused';
COMMENT ON COLUMN bus_subscriptions.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_subscriptions.updated_at IS 'nanoseconds since the epoch';
CREATE TABLE bus_targets (
	workspace_id UUID NOT NULL, 
	subscription_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	room INTEGER NOT NULL, 
	lease_seconds INTEGER NOT NULL, 
	failures INTEGER NOT NULL, 
	closed_until BIGINT NOT NULL, 
	delivered BIGINT NOT NULL, 
	retried BIGINT NOT NULL, 
	dead BIGINT NOT NULL, 
	said TEXT, 
	failed_at BIGINT, 
	delivered_at BIGINT, 
	CONSTRAINT pk_bus_targets PRIMARY KEY (workspace_id, subscription_id)
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN bus_targets.kind IS 'of the subscription''s target';
COMMENT ON COLUMN bus_targets.room IS 'deliveries that may be in hand at once; 0: paused';
COMMENT ON COLUMN bus_targets.lease_seconds IS 'how long a taker has';
COMMENT ON COLUMN bus_targets.failures IS 'in a row';
COMMENT ON COLUMN bus_targets.closed_until IS 'nanoseconds since the epoch: the circuit is open';
COMMENT ON COLUMN bus_targets.said IS 'by the target, the last time it failed';
COMMENT ON COLUMN bus_targets.failed_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_targets.delivered_at IS 'nanoseconds since the epoch';
CREATE TABLE bus_schema_versions (
	workspace_id UUID NOT NULL, 
	schema_id UUID NOT NULL, 
	version INTEGER NOT NULL, 
	schema JSONB NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	CONSTRAINT pk_bus_schema_versions PRIMARY KEY (workspace_id, schema_id, version), 
	CONSTRAINT fk_bus_schema_versions_workspace_id_schema_id FOREIGN KEY(workspace_id, schema_id) REFERENCES bus_schemas (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN bus_schema_versions.created_at IS 'nanoseconds since the epoch';
CREATE TRIGGER auth_changed AFTER UPDATE OF revoked_at OR DELETE ON bus_keys FOR EACH STATEMENT EXECUTE FUNCTION auth_changed();
UPDATE alembic_version SET version_num='b7d20c94e1f5' WHERE alembic_version.version_num = '7d3e91b6f0a2';
SET LOCAL lock_timeout = '5s';
CREATE TABLE skills (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	description TEXT NOT NULL, 
	runtime TEXT NOT NULL, 
	handler TEXT, 
	input_schema JSONB NOT NULL, 
	output_schema JSONB, 
	connection_id TEXT, 
	secret_refs TEXT[] NOT NULL, 
	trust_level TEXT NOT NULL, 
	risk_level TEXT NOT NULL, 
	limits JSONB NOT NULL, 
	egress JSONB NOT NULL, 
	package_id UUID, 
	status TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	revision INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_skills PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_skills_workspace_id_name UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN skills.runtime IS 'python3, node or wasm';
COMMENT ON COLUMN skills.handler IS 'null until a package arrives';
COMMENT ON COLUMN skills.connection_id IS 'conn_…, through which its calls go out';
COMMENT ON COLUMN skills.status IS 'draft, ready or disabled';
COMMENT ON COLUMN skills.revision IS 'of the row, for If-Match';
CREATE TABLE skill_packages (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	skill_id UUID NOT NULL, 
	file_name TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	sha256 BYTEA NOT NULL, 
	manifest JSONB, 
	runtime_version TEXT, 
	expires_at BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	uploaded_at BIGINT, 
	CONSTRAINT pk_skill_packages PRIMARY KEY (workspace_id, id), 
	CONSTRAINT fk_skill_packages_workspace_id_skill_id FOREIGN KEY(workspace_id, skill_id) REFERENCES skills (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN skill_packages.manifest IS 'null until it is uploaded';
COMMENT ON COLUMN skill_packages.runtime_version IS 'of the machine that took it';
COMMENT ON COLUMN skill_packages.expires_at IS 'until when it may be uploaded';
CREATE INDEX ix_skill_packages_skill ON skill_packages (workspace_id, skill_id);
CREATE TABLE skill_versions (
	workspace_id UUID NOT NULL, 
	skill_id UUID NOT NULL, 
	version INTEGER NOT NULL, 
	runtime TEXT NOT NULL, 
	handler TEXT NOT NULL, 
	input_schema JSONB NOT NULL, 
	output_schema JSONB, 
	connection_id TEXT, 
	secret_refs TEXT[] NOT NULL, 
	limits JSONB NOT NULL, 
	egress JSONB NOT NULL, 
	package_id UUID NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	CONSTRAINT pk_skill_versions PRIMARY KEY (workspace_id, skill_id, version), 
	CONSTRAINT fk_skill_versions_workspace_id_skill_id FOREIGN KEY(workspace_id, skill_id) REFERENCES skills (workspace_id, id) ON DELETE CASCADE, 
	CONSTRAINT fk_skill_versions_workspace_id_package_id FOREIGN KEY(workspace_id, package_id) REFERENCES skill_packages (workspace_id, id) ON DELETE CASCADE
);
CREATE TABLE skill_uses (
	workspace_id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	referrer TEXT NOT NULL, 
	referrer_version INTEGER NOT NULL, 
	skill_id UUID NOT NULL, 
	version INTEGER NOT NULL, 
	live_skill_id UUID, 
	CONSTRAINT pk_skill_uses PRIMARY KEY (workspace_id, kind, referrer, referrer_version, skill_id), 
	CONSTRAINT fk_skill_uses_live_skill_id FOREIGN KEY(workspace_id, live_skill_id) REFERENCES skills (workspace_id, id)
);
COMMENT ON COLUMN skill_uses.kind IS 'what calls it, such as workflow';
COMMENT ON COLUMN skill_uses.referrer IS 'its id on the wire';
COMMENT ON COLUMN skill_uses.version IS 'of the skill, that the referrer''s version is pinned to';
COMMENT ON COLUMN skill_uses.live_skill_id IS 'the skill again while the referrer''s version is live: it can''t be deleted';
CREATE INDEX ix_skill_uses_live ON skill_uses (workspace_id, live_skill_id);
UPDATE alembic_version SET version_num='a91c7e30b4d2' WHERE alembic_version.version_num = 'b7d20c94e1f5';
SET LOCAL lock_timeout = '5s';
CREATE INDEX ix_bus_subscriptions_id ON bus_subscriptions (id) WHERE direction = 'inbound';
UPDATE alembic_version SET version_num='e91c5a7d3b20' WHERE alembic_version.version_num = 'a91c7e30b4d2';
SET LOCAL lock_timeout = '5s';
CREATE TABLE approval_grants (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	kind TEXT NOT NULL, 
	grantor TEXT NOT NULL, 
	grantee TEXT NOT NULL, 
	workflow_ids UUID[] DEFAULT '{}' NOT NULL, 
	step_keys TEXT[] DEFAULT '{}' NOT NULL, 
	action TEXT, 
	max_risk TEXT NOT NULL, 
	payload_rules TEXT NOT NULL, 
	status TEXT NOT NULL, 
	max_uses INTEGER, 
	uses INTEGER DEFAULT '0' NOT NULL, 
	valid_from BIGINT NOT NULL, 
	valid_until BIGINT NOT NULL, 
	reason TEXT, 
	created_from UUID, 
	token_digest BYTEA, 
	token_until BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	decided_at BIGINT, 
	comment TEXT, 
	CONSTRAINT pk_approval_grants PRIMARY KEY (workspace_id, id)
);
COMMENT ON COLUMN approval_grants.kind IS 'action_class or substitute';
COMMENT ON COLUMN approval_grants.grantor IS 'user_… whose authority it is';
COMMENT ON COLUMN approval_grants.grantee IS 'user_… who confirms it; of a substitute also who decides';
COMMENT ON COLUMN approval_grants.workflow_ids IS 'empty: any';
COMMENT ON COLUMN approval_grants.step_keys IS 'empty: any';
COMMENT ON COLUMN approval_grants.action IS 'null: any';
COMMENT ON COLUMN approval_grants.payload_rules IS 'JSON list of path, op, value';
COMMENT ON COLUMN approval_grants.status IS 'pending, active, denied or revoked';
COMMENT ON COLUMN approval_grants.max_uses IS 'null: any number';
COMMENT ON COLUMN approval_grants.created_from IS 'the approval with which it was made';
COMMENT ON COLUMN approval_grants.token_digest IS 'SHA-256; null once it was used';
COMMENT ON COLUMN approval_grants.comment IS 'of who confirmed or denied it';
CREATE INDEX ix_approval_grants_active ON approval_grants (workspace_id, valid_until) WHERE status = 'active';
UPDATE alembic_version SET version_num='4d8f1a6be273' WHERE alembic_version.version_num = 'e91c5a7d3b20';
SET LOCAL lock_timeout = '5s';
ALTER TABLE run_steps ADD COLUMN output_ref TEXT;
COMMENT ON COLUMN run_steps.output_ref IS 'where a large output is in the object store; then `output` is null';
CREATE INDEX ix_run_steps_large ON run_steps (run_id) WHERE octet_length(output) > 262144;
CREATE INDEX ix_run_steps_output_ref ON run_steps (workspace_id, output_ref) WHERE output_ref IS NOT NULL;
CREATE TABLE run_output_garbage (
	workspace_id UUID NOT NULL, 
	blob TEXT NOT NULL, 
	after BIGINT NOT NULL, 
	CONSTRAINT pk_run_output_garbage PRIMARY KEY (workspace_id, blob)
);
COMMENT ON COLUMN run_output_garbage.blob IS 'key in the area `outputs` of the object store';
COMMENT ON COLUMN run_output_garbage.after IS 'nanoseconds since the epoch: not destroyed before';
CREATE INDEX ix_run_output_garbage_after ON run_output_garbage (after);
UPDATE alembic_version SET version_num='5b7c20d94e1f' WHERE alembic_version.version_num = '4d8f1a6be273';
SET LOCAL lock_timeout = '5s';
CREATE TABLE bus_bridges (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	direction TEXT NOT NULL, 
	rule JSONB NOT NULL, 
	status TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_bus_bridges PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_bus_bridges_workspace_id_name UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN bus_bridges.direction IS 'consume or publish';
COMMENT ON COLUMN bus_bridges.rule IS 'servers, stream and mapping; secrets by reference';
COMMENT ON COLUMN bus_bridges.status IS 'active or paused';
COMMENT ON COLUMN bus_bridges.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_bridges.updated_at IS 'nanoseconds since the epoch';
CREATE TABLE bus_bridge_states (
	workspace_id UUID NOT NULL, 
	bridge_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	ahead JSONB NOT NULL, 
	due_at BIGINT NOT NULL, 
	lease UUID, 
	leased_until BIGINT NOT NULL, 
	connected BOOLEAN NOT NULL, 
	lag BIGINT NOT NULL, 
	passed BIGINT NOT NULL, 
	repeated BIGINT NOT NULL, 
	expired BIGINT NOT NULL, 
	dead BIGINT NOT NULL, 
	failures INTEGER NOT NULL, 
	said TEXT, 
	failed_at BIGINT, 
	passed_at BIGINT, 
	CONSTRAINT pk_bus_bridge_states PRIMARY KEY (workspace_id, bridge_id), 
	CONSTRAINT fk_bus_bridge_states_workspace_id_bridge_id FOREIGN KEY(workspace_id, bridge_id) REFERENCES bus_bridges (workspace_id, id) ON DELETE CASCADE
)
 WITH (fillfactor = 50);
COMMENT ON COLUMN bus_bridge_states.number IS 'of publish: up to it everything went over';
COMMENT ON COLUMN bus_bridge_states.ahead IS 'numbers beyond it that went over as well';
COMMENT ON COLUMN bus_bridge_states.due_at IS 'nanoseconds since the epoch; nobody takes it before';
COMMENT ON COLUMN bus_bridge_states.lease IS 'of the worker that has it in hand';
COMMENT ON COLUMN bus_bridge_states.leased_until IS 'nanoseconds since the epoch; then another may';
COMMENT ON COLUMN bus_bridge_states.connected IS 'whether the holder of the lease reached the servers';
COMMENT ON COLUMN bus_bridge_states.lag IS 'messages to go, when a worker last looked';
COMMENT ON COLUMN bus_bridge_states.failures IS 'in a row';
COMMENT ON COLUMN bus_bridge_states.said IS 'why it failed the last time';
COMMENT ON COLUMN bus_bridge_states.failed_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN bus_bridge_states.passed_at IS 'nanoseconds since the epoch';
CREATE INDEX ix_bus_bridge_states_due ON bus_bridge_states (due_at);
CREATE TABLE bus_bridge_arrivals (
	workspace_id UUID NOT NULL, 
	bridge_id UUID NOT NULL, 
	key BYTEA NOT NULL, 
	sequence BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_bus_bridge_arrivals PRIMARY KEY (workspace_id, bridge_id, key), 
	CONSTRAINT fk_bus_bridge_arrivals_workspace_id_bridge_id FOREIGN KEY(workspace_id, bridge_id) REFERENCES bus_bridges (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN bus_bridge_arrivals.key IS 'digest of Nats-Msg-Id, else of stream and sequence';
COMMENT ON COLUMN bus_bridge_arrivals.sequence IS 'in the stream';
COMMENT ON COLUMN bus_bridge_arrivals.at IS 'nanoseconds since the epoch';
CREATE INDEX ix_bus_bridge_arrivals_at ON bus_bridge_arrivals (workspace_id, bridge_id, at);
CREATE TABLE bus_bridge_dead_letters (
	workspace_id UUID NOT NULL, 
	bridge_id UUID NOT NULL, 
	id UUID NOT NULL, 
	subject TEXT NOT NULL, 
	headers JSONB NOT NULL, 
	payload_bytes INTEGER NOT NULL, 
	payload BYTEA, 
	message_id UUID, 
	code TEXT NOT NULL, 
	said TEXT NOT NULL, 
	at BIGINT NOT NULL, 
	CONSTRAINT pk_bus_bridge_dead_letters PRIMARY KEY (workspace_id, bridge_id, id), 
	CONSTRAINT fk_bus_bridge_dead_letters_workspace_id_bridge_id FOREIGN KEY(workspace_id, bridge_id) REFERENCES bus_bridges (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN bus_bridge_dead_letters.payload IS 'as it arrived; null when it is larger than a message may be';
COMMENT ON COLUMN bus_bridge_dead_letters.message_id IS 'of the bus, that could not be sent';
COMMENT ON COLUMN bus_bridge_dead_letters.at IS 'nanoseconds since the epoch';
CREATE INDEX ix_bus_bridge_dead_letters_at ON bus_bridge_dead_letters (at);
UPDATE alembic_version SET version_num='9c41e7a2d6f8' WHERE alembic_version.version_num = '5b7c20d94e1f';
SET LOCAL lock_timeout = '5s';
ALTER TABLE workspaces ADD COLUMN require_passkey_from TEXT;
COMMENT ON COLUMN workspaces.require_passkey_from IS 'least risk whose approvals a passkey has to sign; null: none';
ALTER TABLE approvals ADD COLUMN passkey BOOLEAN DEFAULT 'false' NOT NULL;
COMMENT ON COLUMN approvals.passkey IS 'decided with a passkey only';
CREATE TABLE notification_inbox (
	workspace_id UUID NOT NULL, 
	person_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	id UUID NOT NULL, 
	event TEXT NOT NULL, 
	risk TEXT, 
	resource_id TEXT, 
	title TEXT, 
	uow_id UUID NOT NULL, 
	recorded_at BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	read_at BIGINT, 
	CONSTRAINT pk_notification_inbox PRIMARY KEY (workspace_id, person_id, number)
);
COMMENT ON COLUMN notification_inbox.number IS 'of the event''s row';
COMMENT ON COLUMN notification_inbox.id IS 'of the event''s row';
COMMENT ON COLUMN notification_inbox.title IS 'of what it is about, where that has one';
COMMENT ON COLUMN notification_inbox.uow_id IS 'the run, of what happens in one';
COMMENT ON COLUMN notification_inbox.recorded_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN notification_inbox.created_at IS 'nanoseconds since the epoch';
CREATE INDEX ix_notification_inbox_unread ON notification_inbox (workspace_id, person_id) WHERE read_at IS NULL;
CREATE INDEX ix_notification_inbox_uow ON notification_inbox (workspace_id, uow_id);
CREATE INDEX ix_notification_inbox_created ON notification_inbox (created_at);
CREATE TABLE notification_preferences (
	workspace_id UUID NOT NULL, 
	person_id UUID NOT NULL, 
	approval_mail BOOLEAN NOT NULL, 
	quiet_hours JSONB, 
	digest TEXT NOT NULL, 
	digest_hour SMALLINT NOT NULL, 
	timezone TEXT NOT NULL, 
	digest_due_at BIGINT, 
	digest_told BIGINT DEFAULT '0' NOT NULL, 
	lease UUID, 
	leased_until BIGINT DEFAULT '0' NOT NULL, 
	updated_at BIGINT NOT NULL, 
	CONSTRAINT pk_notification_preferences PRIMARY KEY (workspace_id, person_id)
);
COMMENT ON COLUMN notification_preferences.approval_mail IS 'a mail for each approval that is asked of the person';
COMMENT ON COLUMN notification_preferences.quiet_hours IS 'from, to, timezone; null: none';
COMMENT ON COLUMN notification_preferences.digest IS 'off, daily or weekly';
COMMENT ON COLUMN notification_preferences.digest_hour IS 'of the day in the time zone';
COMMENT ON COLUMN notification_preferences.digest_due_at IS 'null: none is to come';
COMMENT ON COLUMN notification_preferences.digest_told IS 'number up to which one told';
COMMENT ON COLUMN notification_preferences.lease IS 'of the worker that has the digest in hand';
CREATE INDEX ix_notification_preferences_due ON notification_preferences (digest_due_at) WHERE digest_due_at IS NOT NULL;
CREATE TABLE approval_letters (
	workspace_id UUID NOT NULL, 
	approval_id UUID NOT NULL, 
	person_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	occasion TEXT NOT NULL, 
	created_at BIGINT NOT NULL, 
	due_at BIGINT NOT NULL, 
	lease UUID, 
	leased_until BIGINT DEFAULT '0' NOT NULL, 
	failures INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_approval_letters PRIMARY KEY (workspace_id, approval_id, person_id, number), 
	CONSTRAINT fk_approval_letters_approval FOREIGN KEY(workspace_id, approval_id) REFERENCES approvals (workspace_id, id) ON DELETE CASCADE
)
 WITH (fillfactor = 70);
COMMENT ON COLUMN approval_letters.number IS 'of the row that it tells of';
COMMENT ON COLUMN approval_letters.occasion IS 'requested, overdue, escalated or changed';
COMMENT ON COLUMN approval_letters.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN approval_letters.due_at IS 'nanoseconds since the epoch; not sent before';
COMMENT ON COLUMN approval_letters.lease IS 'of the worker that has it in hand';
CREATE INDEX ix_approval_letters_due ON approval_letters (due_at);
CREATE TABLE approval_links (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	approval_id UUID NOT NULL, 
	person_id UUID NOT NULL, 
	revision INTEGER NOT NULL, 
	statement_digest BYTEA NOT NULL, 
	token_digest BYTEA NOT NULL, 
	made_at BIGINT NOT NULL, 
	good_until BIGINT NOT NULL, 
	used_at BIGINT, 
	CONSTRAINT pk_approval_links PRIMARY KEY (workspace_id, id), 
	CONSTRAINT fk_approval_links_approval FOREIGN KEY(workspace_id, approval_id) REFERENCES approvals (workspace_id, id) ON DELETE CASCADE
);
COMMENT ON COLUMN approval_links.person_id IS 'who alone may decide by it';
COMMENT ON COLUMN approval_links.revision IS 'of the approval that the mail told of';
COMMENT ON COLUMN approval_links.statement_digest IS 'SHA-256 of what the mail told of';
COMMENT ON COLUMN approval_links.token_digest IS 'SHA-256';
COMMENT ON COLUMN approval_links.used_at IS 'null: still to be used';
CREATE INDEX ix_approval_links_person ON approval_links (workspace_id, approval_id, person_id);
UPDATE alembic_version SET version_num='6c2f9be04d17' WHERE alembic_version.version_num = '9c41e7a2d6f8';
SET LOCAL lock_timeout = '5s';
CREATE TABLE alert_rules (
	workspace_id UUID NOT NULL, 
	id UUID NOT NULL, 
	name TEXT NOT NULL, 
	severity TEXT NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	rule TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	from_number BIGINT NOT NULL, 
	begun_at BIGINT NOT NULL, 
	silenced_until BIGINT DEFAULT '0' NOT NULL, 
	dropped BIGINT DEFAULT '0' NOT NULL, 
	errors BIGINT DEFAULT '0' NOT NULL, 
	error TEXT, 
	error_number BIGINT, 
	error_at BIGINT, 
	created_at BIGINT NOT NULL, 
	created_by TEXT NOT NULL, 
	updated_at BIGINT NOT NULL, 
	updated_by TEXT NOT NULL, 
	CONSTRAINT pk_alert_rules PRIMARY KEY (workspace_id, id), 
	CONSTRAINT uq_alert_rules_workspace_id_name UNIQUE (workspace_id, name)
);
COMMENT ON COLUMN alert_rules.rule IS 'JSON: where, filter, groupBy, window and their like';
COMMENT ON COLUMN alert_rules.revision IS 'counts the times that it began anew';
COMMENT ON COLUMN alert_rules.from_number IS 'rows up to this one don''t concern it';
COMMENT ON COLUMN alert_rules.begun_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN alert_rules.silenced_until IS 'nanoseconds since the epoch';
COMMENT ON COLUMN alert_rules.dropped IS 'groups forgotten for want of room';
COMMENT ON COLUMN alert_rules.error IS 'the last one';
COMMENT ON COLUMN alert_rules.error_number IS 'of the row that it arose from';
COMMENT ON COLUMN alert_rules.error_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN alert_rules.created_at IS 'nanoseconds since the epoch';
COMMENT ON COLUMN alert_rules.updated_at IS 'nanoseconds since the epoch';
CREATE TABLE alert_states (
	workspace_id UUID NOT NULL, 
	alert_id UUID NOT NULL, 
	id UUID NOT NULL, 
	value TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	platform BOOLEAN NOT NULL, 
	at BIGINT NOT NULL, 
	memory TEXT NOT NULL, 
	firing_since BIGINT, 
	clear_at BIGINT, 
	told BOOLEAN NOT NULL, 
	amount BIGINT NOT NULL, 
	details TEXT, 
	evidence TEXT NOT NULL, 
	due_at BIGINT, 
	silenced_until BIGINT DEFAULT '0' NOT NULL, 
	acknowledged_by TEXT, 
	acknowledged_at BIGINT, 
	CONSTRAINT pk_alert_states PRIMARY KEY (workspace_id, alert_id, id), 
	CONSTRAINT fk_alert_states_workspace_id_alert_id FOREIGN KEY(workspace_id, alert_id) REFERENCES alert_rules (workspace_id, id) ON DELETE CASCADE, 
	CONSTRAINT uq_alert_states_workspace_id_alert_id_value UNIQUE (workspace_id, alert_id, value)
)
 WITH (fillfactor = 70);
COMMENT ON COLUMN alert_states.value IS 'what groupBy gave, as JSON; null without it';
COMMENT ON COLUMN alert_states.number IS 'of the last row that gave it; 0 for none';
COMMENT ON COLUMN alert_states.platform IS 'a row of the platform gave it';
COMMENT ON COLUMN alert_states.at IS 'nanoseconds since the epoch; time has passed up to here';
COMMENT ON COLUMN alert_states.memory IS 'what its window remembers, as JSON';
COMMENT ON COLUMN alert_states.firing_since IS 'nanoseconds since the epoch; null: quiet';
COMMENT ON COLUMN alert_states.clear_at IS 'nanoseconds since the epoch; recovers then';
COMMENT ON COLUMN alert_states.told IS 'its firing is on record';
COMMENT ON COLUMN alert_states.amount IS 'what was found at last';
COMMENT ON COLUMN alert_states.details IS 'JSON';
COMMENT ON COLUMN alert_states.evidence IS 'JSON: number and id of the last rows that matched';
COMMENT ON COLUMN alert_states.due_at IS 'nanoseconds since the epoch; time alone changes something then';
COMMENT ON COLUMN alert_states.silenced_until IS 'nanoseconds since the epoch';
COMMENT ON COLUMN alert_states.acknowledged_at IS 'nanoseconds since the epoch';
CREATE INDEX ix_alert_states_due ON alert_states (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX ix_alert_states_number ON alert_states (workspace_id, number);
UPDATE alembic_version SET version_num='6c2a9f14d7b8' WHERE alembic_version.version_num = '6c2f9be04d17';
SET LOCAL lock_timeout = '5s';
ALTER TABLE workspaces ADD COLUMN plan TEXT DEFAULT 'self_hosted' NOT NULL;
CREATE TABLE usage_months (
	workspace_id UUID NOT NULL, 
	month DATE NOT NULL, 
	resource_type_id UUID NOT NULL, 
	action_id UUID NOT NULL, 
	times BIGINT NOT NULL, 
	tokens_in BIGINT DEFAULT '0' NOT NULL, 
	tokens_out BIGINT DEFAULT '0' NOT NULL, 
	model_cost_usd DOUBLE PRECISION DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_usage_months PRIMARY KEY (workspace_id, month, resource_type_id, action_id)
);
COMMENT ON COLUMN usage_months.month IS 'its first day, in UTC';
COMMENT ON COLUMN usage_months.times IS 'how often the platform recorded these words';
CREATE TABLE usage_counted (
	workspace_id UUID NOT NULL, 
	number BIGINT NOT NULL, 
	CONSTRAINT pk_usage_counted PRIMARY KEY (workspace_id)
);
COMMENT ON COLUMN usage_counted.number IS 'every interaction up to here is in `usage_months`';
CREATE TABLE billing_customers (
	workspace_id UUID NOT NULL, 
	customer TEXT NOT NULL, 
	plan TEXT, 
	status TEXT, 
	period_start BIGINT, 
	period_end BIGINT, 
	invoices TEXT DEFAULT '[]' NOT NULL, 
	asked_at BIGINT NOT NULL, 
	CONSTRAINT pk_billing_customers PRIMARY KEY (workspace_id)
);
COMMENT ON COLUMN billing_customers.customer IS 'cus_… at the payment provider';
COMMENT ON COLUMN billing_customers.plan IS 'of the subscription; null: none yet';
COMMENT ON COLUMN billing_customers.period_start IS 'nanoseconds since the epoch';
COMMENT ON COLUMN billing_customers.invoices IS 'JSON, the newest twelve';
COMMENT ON COLUMN billing_customers.asked_at IS 'when the provider was last asked';
UPDATE alembic_version SET version_num='c82d5e1f7a36' WHERE alembic_version.version_num = '6c2a9f14d7b8';
SET LOCAL lock_timeout = '5s';
CREATE TABLE skill_garbage (
	workspace_id UUID NOT NULL, 
	package_id UUID NOT NULL, 
	after BIGINT NOT NULL, 
	CONSTRAINT pk_skill_garbage PRIMARY KEY (workspace_id, package_id)
);
COMMENT ON COLUMN skill_garbage.package_id IS 'whose bytes nobody needs; its row is gone';
COMMENT ON COLUMN skill_garbage.after IS 'when they are destroyed: until then they may arrive';
CREATE INDEX ix_skill_garbage_after ON skill_garbage (after);
CREATE INDEX ix_skill_packages_awaited ON skill_packages (expires_at) WHERE uploaded_at IS NULL;
UPDATE alembic_version SET version_num='c3f81b6d2a94' WHERE alembic_version.version_num = 'c82d5e1f7a36';
SET LOCAL lock_timeout = '5s';
ALTER TABLE engine_workers ADD COLUMN address TEXT;
COMMENT ON COLUMN engine_workers.address IS 'host:port where servers hear what its steps write; null: nowhere';
UPDATE alembic_version SET version_num='7e20d5b9c1a8' WHERE alembic_version.version_num = 'c3f81b6d2a94';
SET LOCAL lock_timeout = '5s';
CREATE INDEX ix_notification_inbox_arrived ON notification_inbox (workspace_id, person_id, created_at);
UPDATE alembic_version SET version_num='0b83d5f7c2a9' WHERE alembic_version.version_num = '7e20d5b9c1a8';
SET LOCAL lock_timeout = '5s';
INSERT INTO bus_deliveries (workspace_id, subscription_id, message_id, lane, state, due_at, lease, attempts,
                            published_at, expires_at)
SELECT ('00000000-0000-7000-8000-00000000000' || n % 4)::uuid, 'sub_' || n % 16, gen_random_uuid(),
       CASE WHEN n % 2 = 0 THEN n / 2 END, CASE WHEN n % 4 < 2 THEN 'open' ELSE 'delivered' END, n,
       CASE WHEN n % 64 = 0 THEN gen_random_uuid() END, 0, n, n
  FROM generate_series(1, 3000) AS n;
ANALYZE bus_deliveries;
SAVEPOINT sa_savepoint_1;
TRUNCATE bus_deliveries RESTART IDENTITY;
RELEASE SAVEPOINT sa_savepoint_1;
UPDATE alembic_version SET version_num='4d1c7e90ab36' WHERE alembic_version.version_num = '0b83d5f7c2a9';
SET LOCAL lock_timeout = '5s';
CREATE INDEX ix_runs_slots ON runs (workspace_id, workflow_id) WHERE slot = 1 AND state <> 'ended';
CREATE INDEX ix_runs_line ON runs (workspace_id, workflow_id, priority DESC, id) WHERE slot = 0 AND state <> 'ended';
DROP INDEX ix_runs_limited;
UPDATE alembic_version SET version_num='9a3f5c0e17bd' WHERE alembic_version.version_num = '4d1c7e90ab36';
