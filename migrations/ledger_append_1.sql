-- Append entries to the ledger of one or more workspaces: gap-free numbers, duplicates found, all in the caller's
-- transaction. Every array has one element per entry, in the order in which they arrived.
--
-- The function is VOLATILE: each statement in it sees what was committed before that statement began. So the
-- duplicates and the last number are read after the lock was granted, never from a snapshot older than the wait.
-- Locks are taken in ascending order, and the caller runs nothing after this in its transaction.
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
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    v_number bigint[];
    v_verdict text[];
BEGIN
    PERFORM pg_advisory_xact_lock(k)
       FROM (SELECT DISTINCT uuid_hash_extended(w, 7300) AS k FROM unnest(p_workspace) AS w ORDER BY 1) AS locks;

    WITH entry AS MATERIALIZED (
        SELECT e.w, e.k, e.d, e.at, seen.number AS seen_number, seen.digest AS seen_digest,
               CASE WHEN e.k IS NULL THEN e.at ELSE min(e.at) OVER (PARTITION BY e.w, e.k) END AS first_at
          FROM unnest(p_workspace, p_key, p_digest) WITH ORDINALITY AS e(w, k, d, at)
          LEFT JOIN interaction_keys AS seen ON seen.workspace_id = e.w AND seen.key = e.k
    ), last AS MATERIALIZED (
        SELECT w, coalesce((SELECT i.number FROM interactions AS i WHERE i.workspace_id = w
                             ORDER BY i.number DESC LIMIT 1), 0) AS number
          FROM (SELECT DISTINCT w FROM entry) AS each
    ), fresh AS MATERIALIZED (
        SELECT e.at, e.d, last.number + row_number() OVER (PARTITION BY e.w ORDER BY e.at) AS number
          FROM entry AS e JOIN last USING (w)
         WHERE e.seen_number IS NULL AND e.first_at = e.at
    )
    SELECT array_agg(coalesce(e.seen_number, f.number) ORDER BY e.at),
           array_agg(CASE WHEN e.seen_number IS NULL AND e.first_at = e.at THEN 'c'
                          WHEN coalesce(e.seen_digest, f.d) = e.d THEN 's' ELSE 'd' END ORDER BY e.at)
      INTO v_number, v_verdict
      FROM entry AS e LEFT JOIN fresh AS f ON f.at = e.first_at;

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

    INSERT INTO interaction_keys (workspace_id, key, number, digest)
    SELECT t.w, t.k, t.n, t.d
      FROM unnest(p_workspace, p_key, v_number, p_digest, v_verdict) AS t(w, k, n, d, verdict)
     WHERE t.verdict = 'c' AND t.k IS NOT NULL;

    IF array_length(p_related_entry, 1) > 0 THEN
        INSERT INTO interaction_related (workspace_id, resource_id, number, position)
        SELECT p_workspace[r.entry], r.resource, v_number[r.entry], r.position
          FROM unnest(p_related_entry, p_related_position, p_related_resource) AS r(entry, position, resource)
         WHERE v_verdict[r.entry] = 'c';
    END IF;

    IF 's' = ANY (v_verdict) OR 'd' = ANY (v_verdict) THEN
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
