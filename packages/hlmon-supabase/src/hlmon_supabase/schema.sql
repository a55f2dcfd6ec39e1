-- The tables of hlmon in a Supabase project (PostgreSQL 15 or newer).
--
-- Paste it into the SQL editor and run it, again after each upgrade: it creates what is missing and changes nothing else.
-- Tables made with the founding specification's SQL are taken over with every row.
--
-- Times are the exchange's, in UTC; *_ms columns give them in milliseconds. Amounts are NUMERIC without a scale, so every digit
-- is kept. A fact (fill, snapshot, …) is named by account_address and event_key and never changes. A state (position,
-- order, …) is named by its natural columns and replaced only by a larger `version`.

-- Some of the names below are common ones. Nothing is touched where one of them is somebody else's table.
DO $$
DECLARE
    stranger TEXT;
BEGIN
    SELECT tables.table_name INTO stranger
    FROM information_schema.tables AS tables
    WHERE tables.table_schema = 'public'
        AND tables.table_name IN (
            'fills', 'positions', 'hl_dashboard', 'hl_orders', 'hl_cvd', 'hl_closes', 'closes', 'fundings', 'ledger',
            'alerts', 'gaps', 'checkpoints', 'accounts', 'quarantine'
        )
        AND NOT EXISTS (
            SELECT FROM information_schema.columns AS columns
            WHERE columns.table_schema = 'public'
                AND columns.table_name = tables.table_name
                AND columns.column_name = 'account_address'
        )
    LIMIT 1;
    IF stranger IS NOT NULL THEN
        RAISE EXCEPTION 'the table "%" is not one of hlmon''s; give hlmon a project of its own, or rename that table', stranger;
    END IF;
END $$;

-- Tables of the founding specification: its columns first, then what it lacks.

CREATE TABLE IF NOT EXISTS fills (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    coin TEXT NOT NULL,
    side TEXT NOT NULL,
    price NUMERIC NOT NULL,
    size NUMERIC NOT NULL,
    order_id TEXT,
    closed_pnl NUMERIC,
    is_position_close BOOLEAN DEFAULT FALSE,
    tx_hash TEXT,
    metadata JSONB
);

ALTER TABLE fills
    ADD COLUMN IF NOT EXISTS event_key TEXT,
    ADD COLUMN IF NOT EXISTS direction TEXT,
    ADD COLUMN IF NOT EXISTS start_position NUMERIC,
    ADD COLUMN IF NOT EXISTS fee NUMERIC,
    ADD COLUMN IF NOT EXISTS fee_token TEXT,
    ADD COLUMN IF NOT EXISTS builder_fee NUMERIC,
    ADD COLUMN IF NOT EXISTS trade_id TEXT,
    ADD COLUMN IF NOT EXISTS crossed BOOLEAN,
    ADD COLUMN IF NOT EXISTS cloid TEXT,
    ADD COLUMN IF NOT EXISTS twap_id BIGINT,
    ADD COLUMN IF NOT EXISTS liquidated_user TEXT,
    ADD COLUMN IF NOT EXISTS liquidation_mark_price NUMERIC,
    ADD COLUMN IF NOT EXISTS liquidation_method TEXT,
    ADD COLUMN IF NOT EXISTS self_trade BOOLEAN,
    ADD COLUMN IF NOT EXISTS ordinal INTEGER,
    ADD COLUMN IF NOT EXISTS extra JSONB,
    ADD COLUMN IF NOT EXISTS created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED;

CREATE TABLE IF NOT EXISTS positions (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    updated_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    coin TEXT NOT NULL,
    size NUMERIC NOT NULL,
    side TEXT NOT NULL,
    entry_price NUMERIC,
    mark_price NUMERIC,
    liquidation_price NUMERIC,
    unrealized_pnl NUMERIC,
    margin_used NUMERIC,
    is_open BOOLEAN DEFAULT TRUE,
    closed_at TIMESTAMPTZ,
    realized_pnl NUMERIC,
    metadata JSONB,
    UNIQUE (account_address, coin)
);

ALTER TABLE positions
    ADD COLUMN IF NOT EXISTS version BIGINT,
    ADD COLUMN IF NOT EXISTS leverage INTEGER,
    ADD COLUMN IF NOT EXISTS margin_mode TEXT,
    ADD COLUMN IF NOT EXISTS funding NUMERIC,
    ADD COLUMN IF NOT EXISTS updated_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM updated_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    ADD COLUMN IF NOT EXISTS closed_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM closed_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED;

CREATE TABLE IF NOT EXISTS hl_dashboard (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    account_value NUMERIC,
    total_margin_used NUMERIC,
    withdrawable NUMERIC,
    total_unrealized_pnl NUMERIC,
    leverage NUMERIC,
    health_score INTEGER,
    positions_count INTEGER
);

ALTER TABLE hl_dashboard
    ADD COLUMN IF NOT EXISTS event_key TEXT,
    ADD COLUMN IF NOT EXISTS maintenance_margin NUMERIC,
    ADD COLUMN IF NOT EXISTS notional NUMERIC,
    ADD COLUMN IF NOT EXISTS mode TEXT,
    ADD COLUMN IF NOT EXISTS created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED;

CREATE TABLE IF NOT EXISTS hl_orders (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    updated_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    order_id TEXT NOT NULL,
    coin TEXT,
    side TEXT,
    size NUMERIC,
    price NUMERIC,
    status TEXT,
    metadata JSONB
);

ALTER TABLE hl_orders
    ADD COLUMN IF NOT EXISTS version BIGINT,
    ADD COLUMN IF NOT EXISTS remaining NUMERIC,
    ADD COLUMN IF NOT EXISTS order_type TEXT,
    ADD COLUMN IF NOT EXISTS tif TEXT,
    ADD COLUMN IF NOT EXISTS reduce_only BOOLEAN,
    ADD COLUMN IF NOT EXISTS trigger_price NUMERIC,
    ADD COLUMN IF NOT EXISTS trigger_condition TEXT,
    ADD COLUMN IF NOT EXISTS is_position_tpsl BOOLEAN,
    ADD COLUMN IF NOT EXISTS cloid TEXT,
    ADD COLUMN IF NOT EXISTS extra JSONB,
    ADD COLUMN IF NOT EXISTS created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    ADD COLUMN IF NOT EXISTS updated_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM updated_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED;

-- Tables of the other kinds.

CREATE TABLE IF NOT EXISTS hl_cvd (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL, -- the bucket's start
    created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    updated_at TIMESTAMPTZ NOT NULL, -- its last trade
    updated_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM updated_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    coin TEXT NOT NULL,
    interval_ms BIGINT NOT NULL,
    start_ms BIGINT NOT NULL,
    buy_volume NUMERIC NOT NULL,
    sell_volume NUMERIC NOT NULL,
    delta NUMERIC GENERATED ALWAYS AS (buy_volume - sell_volume) STORED,
    cumulative NUMERIC NOT NULL,
    trades BIGINT NOT NULL,
    complete BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (start_ms, coin, interval_ms, account_address)
);

-- Every close that was stated; the view `closes` below leaves out those that a later one completes.
CREATE TABLE IF NOT EXISTS hl_closes (
    id BIGSERIAL PRIMARY KEY,
    closed_at TIMESTAMPTZ NOT NULL,
    closed_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM closed_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    event_key TEXT NOT NULL,
    coin TEXT NOT NULL,
    side TEXT NOT NULL,
    size NUMERIC NOT NULL,
    cause TEXT NOT NULL,
    entry_price NUMERIC,
    exit_price NUMERIC,
    opened_at TIMESTAMPTZ,
    opened_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM opened_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    held_ms BIGINT GENERATED ALWAYS AS (
        (EXTRACT(EPOCH FROM (closed_at AT TIME ZONE 'UTC') - (opened_at AT TIME ZONE 'UTC')) * 1000)::BIGINT
    ) STORED,
    gross_pnl NUMERIC,
    fees NUMERIC NOT NULL,
    fee_token TEXT NOT NULL,
    funding NUMERIC NOT NULL,
    net_pnl NUMERIC,
    fills BIGINT NOT NULL,
    complete BOOLEAN NOT NULL,
    "trigger" TEXT NOT NULL,
    tx_hash TEXT NOT NULL,
    completes TEXT NOT NULL,
    UNIQUE (event_key, account_address)
);

ALTER TABLE hl_closes
    ADD COLUMN IF NOT EXISTS revision BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS previous_net_pnl NUMERIC,
    ADD COLUMN IF NOT EXISTS stated_at TIMESTAMPTZ,
    ADD COLUMN IF NOT EXISTS stated_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM stated_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED;

CREATE TABLE IF NOT EXISTS fundings (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    event_key TEXT NOT NULL,
    coin TEXT NOT NULL,
    amount NUMERIC NOT NULL,
    size NUMERIC NOT NULL,
    rate NUMERIC NOT NULL,
    UNIQUE (event_key, account_address)
);
ALTER TABLE fundings ADD COLUMN IF NOT EXISTS variant TEXT;
ALTER TABLE fundings ADD COLUMN IF NOT EXISTS extra JSONB;

CREATE TABLE IF NOT EXISTS ledger (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    event_key TEXT NOT NULL,
    type TEXT NOT NULL,
    amount NUMERIC,
    token TEXT NOT NULL,
    fee NUMERIC NOT NULL,
    counterparty TEXT NOT NULL,
    tx_hash TEXT NOT NULL,
    entry_id TEXT NOT NULL,
    details JSONB NOT NULL,
    UNIQUE (event_key, account_address)
);
ALTER TABLE ledger ADD COLUMN IF NOT EXISTS ordinal INTEGER;

ALTER TABLE ledger ADD COLUMN IF NOT EXISTS fee_token TEXT NOT NULL DEFAULT 'USDC';

CREATE TABLE IF NOT EXISTS alerts (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    event_key TEXT NOT NULL,
    rule TEXT NOT NULL,
    subject TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    details JSONB NOT NULL,
    labels JSONB NOT NULL,
    cause_kind TEXT,
    cause_account TEXT,
    cause_key TEXT,
    UNIQUE (event_key, account_address)
);

CREATE TABLE IF NOT EXISTS gaps (
    id BIGSERIAL PRIMARY KEY,
    updated_at TIMESTAMPTZ NOT NULL,
    updated_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM updated_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    stream TEXT NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    started_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM started_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    ended_at TIMESTAMPTZ,
    ended_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM ended_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    healed BOOLEAN NOT NULL,
    events_read BIGINT NOT NULL,
    reason TEXT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (account_address, stream, started_at)
);

CREATE TABLE IF NOT EXISTS checkpoints (
    id BIGSERIAL PRIMARY KEY,
    complete_to TIMESTAMPTZ NOT NULL,
    complete_to_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM complete_to AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    stream TEXT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (account_address, stream)
);

CREATE TABLE IF NOT EXISTS accounts (
    id BIGSERIAL PRIMARY KEY,
    updated_at TIMESTAMPTZ NOT NULL,
    updated_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM updated_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    mode TEXT NOT NULL,
    master TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    version BIGINT NOT NULL
);

CREATE TABLE IF NOT EXISTS quarantine (
    id BIGSERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    created_at_ms BIGINT
        GENERATED ALWAYS AS ((EXTRACT(EPOCH FROM created_at AT TIME ZONE 'UTC') * 1000)::BIGINT) STORED,
    account_address TEXT NOT NULL,
    event_key TEXT NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL,
    digest TEXT NOT NULL,
    payload TEXT NOT NULL,
    UNIQUE (event_key, account_address)
);
ALTER TABLE quarantine
    ADD COLUMN IF NOT EXISTS stream TEXT,
    ADD COLUMN IF NOT EXISTS request TEXT,
    ADD COLUMN IF NOT EXISTS unit TEXT;

-- What older tables have otherwise: DECIMAL(20, 8) cannot hold every amount, and every repeated row uses up an id.
DO $$
DECLARE
    old RECORD;
BEGIN
    FOR old IN
        SELECT table_name, column_name, data_type
        FROM information_schema.columns
        WHERE table_schema = 'public'
            AND table_name IN ('fills', 'positions', 'hl_dashboard', 'hl_orders')
            AND (
                (data_type = 'numeric' AND numeric_precision IS NOT NULL)
                OR (column_name = 'id' AND data_type = 'integer')
            )
    LOOP
        IF old.data_type = 'numeric' THEN
            EXECUTE format('ALTER TABLE %I ALTER COLUMN %I TYPE NUMERIC', old.table_name, old.column_name);
        ELSE
            EXECUTE format('ALTER TABLE %I ALTER COLUMN id TYPE BIGINT', old.table_name);
            EXECUTE format('ALTER SEQUENCE %s AS BIGINT', pg_get_serial_sequence(old.table_name, 'id'));
        END IF;
    END LOOP;
END $$;

-- An order belongs to an account. The triggers come back below; meanwhile they must not stamp what is only respelt.
ALTER TABLE hl_orders DROP CONSTRAINT IF EXISTS hl_orders_order_id_key;
DROP TRIGGER IF EXISTS positions_updated_at ON positions;
DROP TRIGGER IF EXISTS orders_updated_at ON hl_orders;

-- Addresses are lower case, so that older rows belong to the same accounts as newer ones.
UPDATE fills SET account_address = LOWER(account_address) WHERE account_address <> LOWER(account_address);
UPDATE hl_dashboard SET account_address = LOWER(account_address) WHERE account_address <> LOWER(account_address);
UPDATE hl_orders SET account_address = LOWER(account_address) WHERE account_address <> LOWER(account_address);
UPDATE positions SET account_address = LOWER(account_address)
WHERE account_address <> LOWER(account_address) AND NOT EXISTS (
    SELECT FROM positions AS other
    WHERE LOWER(other.account_address) = LOWER(positions.account_address)
        AND other.coin = positions.coin
        AND other.id <> positions.id
        AND (other.account_address = LOWER(other.account_address) OR other.id > positions.id)
);

-- Natural keys. Rows of before have no event_key; they stay, however often one of them is repeated.
CREATE UNIQUE INDEX IF NOT EXISTS fills_natural_key ON fills (event_key, account_address);
CREATE UNIQUE INDEX IF NOT EXISTS hl_dashboard_natural_key ON hl_dashboard (event_key, account_address);
CREATE UNIQUE INDEX IF NOT EXISTS hl_orders_natural_key ON hl_orders (account_address, order_id);

CREATE INDEX IF NOT EXISTS idx_fills_account ON fills (account_address);
CREATE INDEX IF NOT EXISTS idx_fills_created ON fills (created_at DESC);
CREATE INDEX IF NOT EXISTS idx_fills_coin ON fills (coin);
CREATE INDEX IF NOT EXISTS idx_positions_open ON positions (is_open);
CREATE INDEX IF NOT EXISTS idx_dashboard_account ON hl_dashboard (account_address, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_orders_account ON hl_orders (account_address, updated_at DESC);
CREATE INDEX IF NOT EXISTS idx_cvd_coin ON hl_cvd (coin, start_ms DESC);
CREATE INDEX IF NOT EXISTS idx_closes_account ON hl_closes (account_address, closed_at DESC);
CREATE INDEX IF NOT EXISTS idx_closes_completes ON hl_closes (completes) WHERE completes <> '';
CREATE INDEX IF NOT EXISTS idx_fundings_account ON fundings (account_address, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_ledger_account ON ledger (account_address, created_at DESC);
CREATE INDEX IF NOT EXISTS idx_alerts_created ON alerts (created_at DESC);

-- Newest wins, whatever the order of arrival and the number of writers: the database itself leaves the row as it is when
-- a statement sets a version that is not larger. Updates that do not set the version, such as your own, always pass.
CREATE OR REPLACE FUNCTION hlmon_keep_newer() RETURNS TRIGGER LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    RETURN NULL;
END $$;

-- hlmon writes the exchange's time; any other update is stamped with the time at which it happens.
CREATE OR REPLACE FUNCTION hlmon_stamp() RETURNS TRIGGER LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END $$;

DO $$
DECLARE
    state TEXT;
BEGIN
    FOREACH state IN ARRAY ARRAY['positions', 'hl_orders', 'hl_cvd', 'gaps', 'checkpoints', 'accounts'] LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER newest_wins BEFORE UPDATE OF version ON %I FOR EACH ROW '
            'WHEN (NEW.version <= OLD.version) EXECUTE FUNCTION hlmon_keep_newer()', state
        );
        CONTINUE WHEN state = 'checkpoints';
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW '
            'WHEN (NEW.version IS NOT DISTINCT FROM OLD.version) EXECUTE FUNCTION hlmon_stamp()',
            REPLACE(state, 'hl_', '') || '_updated_at', state
        );
    END LOOP;
END $$;

-- A fill of before that comes again from the exchange takes over the row that is there already, with its id and metadata.
CREATE OR REPLACE FUNCTION hlmon_adopt_fill() RETURNS TRIGGER LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.fills WHERE event_key = NEW.event_key AND account_address = NEW.account_address
    ) THEN
        RETURN NEW;
    END IF;
    DELETE FROM public.fills WHERE id = (
        SELECT id FROM public.fills
        WHERE event_key IS NULL
            AND order_id = NEW.order_id
            AND account_address = NEW.account_address
            AND coin = NEW.coin
            AND ROUND(price, 8) = ROUND(NEW.price, 8)
            AND ROUND(size, 8) = ROUND(NEW.size, 8)
            AND COALESCE(NULLIF(tx_hash, ''), NEW.tx_hash) = NEW.tx_hash
        ORDER BY id LIMIT 1 FOR UPDATE
    ) RETURNING id, metadata INTO NEW.id, NEW.metadata;
    IF NOT FOUND THEN
        NEW.id = nextval(pg_get_serial_sequence('public.fills', 'id'));
    END IF;
    RETURN NEW;
END $$;

DO $$
BEGIN
    DROP TRIGGER IF EXISTS adopt_fill ON fills;
    IF EXISTS (SELECT FROM fills WHERE event_key IS NULL) THEN
        CREATE INDEX IF NOT EXISTS idx_fills_before ON fills (order_id) WHERE event_key IS NULL;
        CREATE TRIGGER adopt_fill BEFORE INSERT ON fills FOR EACH ROW
            WHEN (NEW.event_key IS NOT NULL) EXECUTE FUNCTION hlmon_adopt_fill();
    END IF;
END $$;

-- What was stated first, without all fills or without any, gives way to the close that names it in `completes`.
CREATE OR REPLACE VIEW closes WITH (security_invoker = TRUE) AS
SELECT stated.* FROM hl_closes AS stated
WHERE NOT EXISTS (
    SELECT FROM hl_closes AS later
    WHERE later.completes = stated.event_key
        AND later.completes <> ''
        AND later.account_address = stated.account_address
);

-- Row level security without a policy: the anon key and signed-in users read nothing until you create one.
ALTER TABLE fills ENABLE ROW LEVEL SECURITY;
ALTER TABLE positions ENABLE ROW LEVEL SECURITY;
ALTER TABLE hl_dashboard ENABLE ROW LEVEL SECURITY;
ALTER TABLE hl_orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE hl_cvd ENABLE ROW LEVEL SECURITY;
ALTER TABLE hl_closes ENABLE ROW LEVEL SECURITY;
ALTER TABLE fundings ENABLE ROW LEVEL SECURITY;
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
ALTER TABLE alerts ENABLE ROW LEVEL SECURITY;
ALTER TABLE gaps ENABLE ROW LEVEL SECURITY;
ALTER TABLE checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE quarantine ENABLE ROW LEVEL SECURITY;

-- What is there, one line each; `hlmon supabase check` and the start of the monitor compare it with what should be.
CREATE OR REPLACE FUNCTION hlmon_schema() RETURNS JSONB LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    WITH ours AS (
        SELECT oid, relname, relrowsecurity, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND relname IN (
            'fills', 'positions', 'hl_dashboard', 'hl_orders', 'hl_cvd', 'hl_closes', 'closes', 'fundings', 'ledger',
            'alerts', 'gaps', 'checkpoints', 'accounts', 'quarantine'
        )
    ),
    lines AS (
        SELECT format('column %s.%s %s', relname, attname, format_type(atttypid, atttypmod)) AS line
        FROM ours JOIN pg_attribute ON attrelid = ours.oid WHERE attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT format('unique %s (%s)', relname, (
            SELECT string_agg(attname, ', ' ORDER BY attname) FROM pg_attribute
            WHERE attrelid = ours.oid AND attnum = ANY (indkey)
        ))
        FROM ours JOIN pg_index ON indrelid = ours.oid
        WHERE indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL
        UNION ALL
        SELECT format('index %s on %s', index.relname, ours.relname)
        FROM ours JOIN pg_index ON indrelid = ours.oid JOIN pg_class AS index ON index.oid = indexrelid
        WHERE NOT indisunique AND indisvalid
        UNION ALL
        SELECT format('trigger %s on %s', tgname, relname) FROM ours JOIN pg_trigger ON tgrelid = ours.oid
        WHERE NOT tgisinternal AND tgenabled <> 'D'
        UNION ALL
        SELECT format('row level security on %s', relname) FROM ours WHERE relrowsecurity
        UNION ALL
        SELECT format('right of the service key to write %s', relname) FROM ours
        WHERE relkind <> 'v' AND has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
            AND has_table_privilege(oid, 'UPDATE') AND NOT row_security_active(oid)
        UNION ALL
        SELECT format('realtime of %s', tablename) FROM pg_publication_tables
        WHERE pubname = 'supabase_realtime' AND schemaname = 'public' AND tablename IN (SELECT relname FROM ours)
    )
    SELECT jsonb_agg(line ORDER BY line COLLATE "C") FROM lines
$$;

-- New projects give the service key no rights by themselves. Nobody else gets any here, and nobody's are taken away.
REVOKE EXECUTE ON FUNCTION hlmon_schema() FROM PUBLIC;

DO $$
DECLARE
    relation TEXT;
    sequence TEXT;
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname IN ('anon', 'authenticated') HAVING COUNT(*) = 2) THEN
        REVOKE EXECUTE ON FUNCTION hlmon_schema() FROM anon, authenticated;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'service_role') THEN
        RETURN; -- a plain PostgreSQL
    END IF;
    GRANT EXECUTE ON FUNCTION hlmon_schema() TO service_role;
    GRANT SELECT ON closes TO service_role;
    FOREACH relation IN ARRAY ARRAY[
        'fills', 'positions', 'hl_dashboard', 'hl_orders', 'hl_cvd', 'hl_closes', 'fundings', 'ledger', 'alerts', 'gaps',
        'checkpoints', 'accounts', 'quarantine'
    ] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO service_role', relation);
        sequence = pg_get_serial_sequence(relation, 'id');
        EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO service_role', sequence);
    END LOOP;
END $$;

-- Realtime, where there is the publication of Supabase.
DO $$
DECLARE
    live TEXT;
BEGIN
    FOREACH live IN ARRAY ARRAY['fills', 'positions', 'hl_dashboard', 'hl_orders', 'hl_cvd', 'hl_closes', 'alerts'] LOOP
        IF EXISTS (SELECT FROM pg_publication WHERE pubname = 'supabase_realtime' AND NOT puballtables)
            AND NOT EXISTS (
                SELECT FROM pg_publication_tables
                WHERE pubname = 'supabase_realtime' AND schemaname = 'public' AND tablename = live
            )
        THEN
            EXECUTE format('ALTER PUBLICATION supabase_realtime ADD TABLE %I', live);
        END IF;
    END LOOP;
END $$;

-- The REST interface learns of all this at once.
NOTIFY pgrst, 'reload schema';
