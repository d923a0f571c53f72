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
