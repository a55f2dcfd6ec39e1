-- The journal: one compacted log, and views on it with the names of the founding specification.
-- Tables change only by a step in MIGRATIONS; views are made anew whenever the version grows.

CREATE TABLE IF NOT EXISTS events (
    seq     INTEGER PRIMARY KEY,  -- given by the journal, which never gives one twice
    kind    TEXT NOT NULL,
    account TEXT NOT NULL,
    key     TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    body    TEXT NOT NULL         -- the whole event as JSON, fields at their default left out
);

-- Leads with the key, which leads with the time: new rows go to the end of the index whatever the number of accounts.
CREATE UNIQUE INDEX IF NOT EXISTS events_by_name ON events (key, kind, account);

-- Fills are most of the rows and want no second index. A query uses this one only if it repeats the condition.
CREATE INDEX IF NOT EXISTS events_by_kind ON events (kind, time_ms) WHERE kind <> 'fill';

CREATE TABLE IF NOT EXISTS cursors (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS memories (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL,  -- the memory knows every event up to here
    body BLOB NOT NULL
);

CREATE TABLE IF NOT EXISTS marks (
    name  TEXT PRIMARY KEY,  -- last_seq, newest_ms, status
    value NOT NULL
);

-- The outbox: what became of each alert at each notifier; the columns are those of hlmon.routing.Notice.
CREATE TABLE IF NOT EXISTS notices (
    notifier      TEXT NOT NULL,
    seq           INTEGER NOT NULL,  -- of the alert
    state         TEXT NOT NULL,     -- waiting, muted, sent, dropped, refused
    decided_ms    INTEGER NOT NULL,
    reason        TEXT NOT NULL,
    route         TEXT NOT NULL,
    batch         TEXT NOT NULL,
    condition     TEXT NOT NULL,
    hold_until_ms INTEGER NOT NULL,
    sent_ms       INTEGER NOT NULL,
    times_sent    INTEGER NOT NULL,
    PRIMARY KEY (seq, notifier)
) WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS notices_by_state ON notices (notifier, state);

CREATE INDEX IF NOT EXISTS notices_by_condition ON notices (notifier, condition) WHERE condition <> '';

-- What was refused for good once and was handed over again.
CREATE TABLE IF NOT EXISTS redelivered (
    origin       TEXT NOT NULL,     -- who refused it
    digest       TEXT NOT NULL,     -- as in the view quarantine
    delivered_to TEXT NOT NULL,     -- the name of the sink or notifier, empty if it refused it again
    time_ms      INTEGER NOT NULL,
    PRIMARY KEY (origin, digest)
) WITHOUT ROWID;

-- Numbers are REAL so that comparisons work; the exact decimals are in metadata, which is the event itself.

CREATE VIEW fills AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS created_at,
    time_ms AS created_at_ms,
    account AS account_address,
    json_extract(body, '$.coin') AS coin,
    json_extract(body, '$.side') AS side,
    CAST(json_extract(body, '$.price') AS REAL) AS price,
    CAST(json_extract(body, '$.size') AS REAL) AS size,
    CAST(COALESCE(json_extract(body, '$.order_id'), 0) AS TEXT) AS order_id,
    CAST(COALESCE(json_extract(body, '$.closed_pnl'), 0) AS REAL) AS closed_pnl,
    COALESCE(json_extract(body, '$.is_position_close'), 0) AS is_position_close,
    COALESCE(json_extract(body, '$.tx_hash'), '') AS tx_hash,
    COALESCE(json_extract(body, '$.direction'), '') AS direction,
    CAST(json_extract(body, '$.start_position') AS REAL) AS start_position,
    CAST(COALESCE(json_extract(body, '$.fee'), 0) AS REAL) AS fee,
    COALESCE(json_extract(body, '$.fee_token'), 'USDC') AS fee_token,
    CAST(json_extract(body, '$.builder_fee') AS REAL) AS builder_fee,
    CAST(COALESCE(json_extract(body, '$.trade_id'), 0) AS TEXT) AS trade_id,
    COALESCE(json_extract(body, '$.crossed'), 0) AS crossed,
    json_extract(body, '$.cloid') AS cloid,
    json_extract(body, '$.twap_id') AS twap_id,
    json_extract(body, '$.liquidation.user') AS liquidated_user,
    CAST(json_extract(body, '$.liquidation.mark_price') AS REAL) AS liquidation_mark_price,
    json_extract(body, '$.liquidation.method') AS liquidation_method,
    COALESCE(json_extract(body, '$.self_trade'), 0) AS self_trade,
    COALESCE(json_extract(body, '$.ordinal'), 0) AS ordinal,
    COALESCE(json_extract(body, '$.extra'), '{}') AS extra,
    body AS metadata
FROM events WHERE kind = 'fill';

CREATE VIEW positions AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS updated_at,
    time_ms AS updated_at_ms,
    account AS account_address,
    json_extract(body, '$.coin') AS coin,
    CAST(json_extract(body, '$.size') AS REAL) AS size,
    json_extract(body, '$.side') AS side,
    CAST(json_extract(body, '$.entry_price') AS REAL) AS entry_price,
    CAST(json_extract(body, '$.mark_price') AS REAL) AS mark_price,
    CAST(json_extract(body, '$.liquidation_price') AS REAL) AS liquidation_price,
    CAST(COALESCE(json_extract(body, '$.unrealized_pnl'), 0) AS REAL) AS unrealized_pnl,
    CAST(COALESCE(json_extract(body, '$.margin_used'), 0) AS REAL) AS margin_used,
    COALESCE(json_extract(body, '$.is_open'), 1) AS is_open,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.closed_ms') / 1000.0, 'unixepoch') AS closed_at,
    json_extract(body, '$.closed_ms') AS closed_at_ms,
    CAST(json_extract(body, '$.realized_pnl') AS REAL) AS realized_pnl,
    COALESCE(json_extract(body, '$.leverage'), 0) AS leverage,
    COALESCE(json_extract(body, '$.margin_mode'), 'cross') AS margin_mode,
    CAST(COALESCE(json_extract(body, '$.funding'), 0) AS REAL) AS funding,
    body AS metadata
FROM events WHERE kind = 'position' AND kind <> 'fill';

CREATE VIEW hl_dashboard AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS created_at,
    time_ms AS created_at_ms,
    account AS account_address,
    CAST(json_extract(body, '$.account_value') AS REAL) AS account_value,
    CAST(json_extract(body, '$.total_margin_used') AS REAL) AS total_margin_used,
    CAST(json_extract(body, '$.withdrawable') AS REAL) AS withdrawable,
    CAST(json_extract(body, '$.total_unrealized_pnl') AS REAL) AS total_unrealized_pnl,
    CAST(json_extract(body, '$.leverage') AS REAL) AS leverage,
    json_extract(body, '$.health_score') AS health_score,
    json_extract(body, '$.positions_count') AS positions_count,
    CAST(json_extract(body, '$.maintenance_margin') AS REAL) AS maintenance_margin,
    CAST(json_extract(body, '$.notional') AS REAL) AS notional,
    COALESCE(json_extract(body, '$.mode'), 'classic') AS mode,
    body AS metadata
FROM events WHERE kind = 'account' AND kind <> 'fill';

CREATE VIEW hl_orders AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.created_ms') / 1000.0, 'unixepoch') AS created_at,
    json_extract(body, '$.created_ms') AS created_at_ms,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS updated_at,
    time_ms AS updated_at_ms,
    account AS account_address,
    CAST(json_extract(body, '$.order_id') AS TEXT) AS order_id,
    json_extract(body, '$.coin') AS coin,
    json_extract(body, '$.side') AS side,
    CAST(json_extract(body, '$.size') AS REAL) AS size,
    CAST(json_extract(body, '$.remaining') AS REAL) AS remaining,
    CAST(json_extract(body, '$.price') AS REAL) AS price,
    json_extract(body, '$.status') AS status,
    COALESCE(json_extract(body, '$.order_type'), '') AS order_type,
    json_extract(body, '$.tif') AS tif,
    COALESCE(json_extract(body, '$.reduce_only'), 0) AS reduce_only,
    CAST(json_extract(body, '$.trigger_price') AS REAL) AS trigger_price,
    COALESCE(json_extract(body, '$.trigger_condition'), '') AS trigger_condition,
    COALESCE(json_extract(body, '$.is_position_tpsl'), 0) AS is_position_tpsl,
    json_extract(body, '$.cloid') AS cloid,
    COALESCE(json_extract(body, '$.extra'), '{}') AS extra,
    body AS metadata
FROM events WHERE kind = 'order' AND kind <> 'fill';

CREATE VIEW hl_cvd AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.start_ms') / 1000.0, 'unixepoch') AS created_at,
    json_extract(body, '$.start_ms') AS created_at_ms,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS updated_at,
    time_ms AS updated_at_ms,
    account AS account_address,
    json_extract(body, '$.coin') AS coin,
    json_extract(body, '$.interval_ms') AS interval_ms,
    json_extract(body, '$.start_ms') AS start_ms,
    CAST(json_extract(body, '$.buy_volume') AS REAL) AS buy_volume,
    CAST(json_extract(body, '$.sell_volume') AS REAL) AS sell_volume,
    CAST(json_extract(body, '$.buy_volume') AS REAL) - CAST(json_extract(body, '$.sell_volume') AS REAL) AS delta,
    CAST(json_extract(body, '$.cumulative') AS REAL) AS cumulative,
    json_extract(body, '$.trades') AS trades,
    COALESCE(json_extract(body, '$.complete'), 1) AS complete,
    body AS metadata
FROM events WHERE kind = 'cvd' AND kind <> 'fill';

-- What was stated first, without all fills or without any, gives way to the close that names it in `completes`.
CREATE VIEW closes AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS closed_at,
    time_ms AS closed_at_ms,
    account AS account_address,
    json_extract(body, '$.coin') AS coin,
    json_extract(body, '$.side') AS side,
    CAST(json_extract(body, '$.size') AS REAL) AS size,
    json_extract(body, '$.cause') AS cause,
    CAST(json_extract(body, '$.entry_price') AS REAL) AS entry_price,
    CAST(json_extract(body, '$.exit_price') AS REAL) AS exit_price,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.opened_ms') / 1000.0, 'unixepoch') AS opened_at,
    json_extract(body, '$.opened_ms') AS opened_at_ms,
    time_ms - json_extract(body, '$.opened_ms') AS held_ms,
    CAST(json_extract(body, '$.gross_pnl') AS REAL) AS gross_pnl,
    CAST(COALESCE(json_extract(body, '$.fees'), 0) AS REAL) AS fees,
    COALESCE(json_extract(body, '$.fee_token'), 'USDC') AS fee_token,
    CAST(COALESCE(json_extract(body, '$.funding'), 0) AS REAL) AS funding,
    CAST(json_extract(body, '$.net_pnl') AS REAL) AS net_pnl,
    COALESCE(json_extract(body, '$.fills'), 0) AS fills,
    COALESCE(json_extract(body, '$.complete'), 1) AS complete,
    COALESCE(json_extract(body, '$.trigger'), '') AS "trigger",
    COALESCE(json_extract(body, '$.tx_hash'), '') AS tx_hash,
    COALESCE(json_extract(body, '$.completes'), '') AS completes,
    COALESCE(json_extract(body, '$.revision'), 0) AS revision,
    CAST(json_extract(body, '$.previous_net_pnl') AS REAL) AS previous_net_pnl,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.stated_ms') / 1000.0, 'unixepoch') AS stated_at,
    json_extract(body, '$.stated_ms') AS stated_at_ms,
    body AS metadata
FROM events
WHERE kind = 'position_closed' AND kind <> 'fill' AND (account, key) NOT IN (
    SELECT account, json_extract(body, '$.completes') FROM events
    WHERE kind = 'position_closed' AND kind <> 'fill' AND json_extract(body, '$.completes') IS NOT NULL
);

CREATE VIEW fundings AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS created_at,
    time_ms AS created_at_ms,
    account AS account_address,
    json_extract(body, '$.coin') AS coin,
    CAST(json_extract(body, '$.amount') AS REAL) AS amount,
    CAST(json_extract(body, '$.size') AS REAL) AS size,
    CAST(json_extract(body, '$.rate') AS REAL) AS rate,
    COALESCE(json_extract(body, '$.variant'), '') AS variant,
    COALESCE(json_extract(body, '$.extra'), '{}') AS extra,
    body AS metadata
FROM events WHERE kind = 'funding' AND kind <> 'fill';

CREATE VIEW ledger AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS created_at,
    time_ms AS created_at_ms,
    account AS account_address,
    json_extract(body, '$.type') AS type,
    CAST(json_extract(body, '$.amount') AS REAL) AS amount,
    COALESCE(json_extract(body, '$.token'), 'USDC') AS token,
    CAST(COALESCE(json_extract(body, '$.fee'), 0) AS REAL) AS fee,
    COALESCE(json_extract(body, '$.fee_token'), 'USDC') AS fee_token,
    COALESCE(json_extract(body, '$.counterparty'), '') AS counterparty,
    COALESCE(json_extract(body, '$.tx_hash'), '') AS tx_hash,
    json_extract(body, '$.entry_id') AS entry_id,
    COALESCE(json_extract(body, '$.details'), '{}') AS details,
    COALESCE(json_extract(body, '$.ordinal'), 0) AS ordinal,
    body AS metadata
FROM events WHERE kind = 'ledger' AND kind <> 'fill';

CREATE VIEW alerts AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS created_at,
    time_ms AS created_at_ms,
    account AS account_address,
    json_extract(body, '$.rule') AS rule,
    json_extract(body, '$.subject') AS subject,
    json_extract(body, '$.severity') AS severity,
    COALESCE(json_extract(body, '$.state'), 'event') AS state,
    json_extract(body, '$.title') AS title,
    COALESCE(json_extract(body, '$.body'), '') AS body,
    COALESCE(json_extract(body, '$.details'), '{}') AS details,
    COALESCE(json_extract(body, '$.labels'), '{}') AS labels,
    json_extract(body, '$.cause[0]') AS cause_kind,
    json_extract(body, '$.cause[1]') AS cause_account,
    json_extract(body, '$.cause[2]') AS cause_key,
    body AS metadata
FROM events WHERE kind = 'alert' AND kind <> 'fill';

CREATE VIEW gaps AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS updated_at,
    time_ms AS updated_at_ms,
    account AS account_address,
    json_extract(body, '$.stream') AS stream,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.start_ms') / 1000.0, 'unixepoch') AS started_at,
    json_extract(body, '$.start_ms') AS started_at_ms,
    strftime('%Y-%m-%dT%H:%M:%fZ', json_extract(body, '$.end_ms') / 1000.0, 'unixepoch') AS ended_at,
    json_extract(body, '$.end_ms') AS ended_at_ms,
    COALESCE(json_extract(body, '$.healed'), 0) AS healed,
    COALESCE(json_extract(body, '$.events_read'), 0) AS events_read,
    COALESCE(json_extract(body, '$.reason'), '') AS reason,
    body AS metadata
FROM events WHERE kind = 'gap' AND kind <> 'fill';

CREATE VIEW quarantine AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS created_at,
    time_ms AS created_at_ms,
    account AS account_address,
    json_extract(body, '$.origin') AS origin,
    json_extract(body, '$.reason') AS reason,
    json_extract(body, '$.digest') AS digest,
    COALESCE(json_extract(body, '$.payload'), '') AS payload,
    COALESCE(json_extract(body, '$.stream'), '') AS stream,
    COALESCE(json_extract(body, '$.request'), '') AS request,
    COALESCE(json_extract(body, '$.unit'), 'frame') AS unit,
    body AS metadata
FROM events WHERE kind = 'quarantine' AND kind <> 'fill';

CREATE VIEW checkpoints AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS complete_to,
    time_ms AS complete_to_ms,
    account AS account_address,
    json_extract(body, '$.stream') AS stream,
    body AS metadata
FROM events WHERE kind = 'checkpoint' AND kind <> 'fill';

CREATE VIEW accounts AS SELECT
    seq AS id,
    strftime('%Y-%m-%dT%H:%M:%fZ', time_ms / 1000.0, 'unixepoch') AS updated_at,
    time_ms AS updated_at_ms,
    account AS account_address,
    COALESCE(json_extract(body, '$.role'), 'unknown') AS role,
    COALESCE(json_extract(body, '$.mode'), 'unknown') AS mode,
    COALESCE(json_extract(body, '$.master'), '') AS master,
    COALESCE(json_extract(body, '$.status'), 'watched') AS status,
    COALESCE(json_extract(body, '$.reason'), '') AS reason,
    body AS metadata
FROM events WHERE kind = 'account_info' AND kind <> 'fill';
