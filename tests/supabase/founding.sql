-- The SQL of the founding specification, as people have run it.

-- Fills table
CREATE TABLE IF NOT EXISTS fills (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    coin TEXT NOT NULL,
    side TEXT NOT NULL,
    price DECIMAL(20, 8) NOT NULL,
    size DECIMAL(20, 8) NOT NULL,
    order_id TEXT,
    closed_pnl DECIMAL(20, 8),
    is_position_close BOOLEAN DEFAULT FALSE,
    tx_hash TEXT,
    metadata JSONB
);

-- Positions table (with upsert support)
CREATE TABLE IF NOT EXISTS positions (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    updated_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    coin TEXT NOT NULL,
    size DECIMAL(20, 8) NOT NULL,
    side TEXT NOT NULL,
    entry_price DECIMAL(20, 8),
    mark_price DECIMAL(20, 8),
    liquidation_price DECIMAL(20, 8),
    unrealized_pnl DECIMAL(20, 8),
    margin_used DECIMAL(20, 8),
    is_open BOOLEAN DEFAULT TRUE,
    closed_at TIMESTAMPTZ,
    realized_pnl DECIMAL(20, 8),
    metadata JSONB,
    UNIQUE(account_address, coin)
);

-- Dashboard snapshots
CREATE TABLE IF NOT EXISTS hl_dashboard (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    account_value DECIMAL(20, 8),
    total_margin_used DECIMAL(20, 8),
    withdrawable DECIMAL(20, 8),
    total_unrealized_pnl DECIMAL(20, 8),
    leverage DECIMAL(10, 4),
    health_score INTEGER,
    positions_count INTEGER
);

-- Orders table
CREATE TABLE IF NOT EXISTS hl_orders (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMPTZ DEFAULT NOW(),
    updated_at TIMESTAMPTZ DEFAULT NOW(),
    account_address TEXT NOT NULL,
    order_id TEXT UNIQUE NOT NULL,
    coin TEXT,
    side TEXT,
    size DECIMAL(20, 8),
    price DECIMAL(20, 8),
    status TEXT,
    metadata JSONB
);

-- Indexes
CREATE INDEX idx_fills_account ON fills(account_address);
CREATE INDEX idx_fills_created ON fills(created_at DESC);
CREATE INDEX idx_fills_coin ON fills(coin);
CREATE INDEX idx_positions_open ON positions(is_open);
CREATE INDEX idx_dashboard_account ON hl_dashboard(account_address, created_at DESC);

-- Auto-update trigger for positions
CREATE OR REPLACE FUNCTION update_updated_at()
RETURNS TRIGGER AS $$
BEGIN
    NEW.updated_at = NOW();
    RETURN NEW;
END;
$$ LANGUAGE plpgsql;

CREATE TRIGGER positions_updated_at
    BEFORE UPDATE ON positions
    FOR EACH ROW
    EXECUTE FUNCTION update_updated_at();

CREATE TRIGGER orders_updated_at
    BEFORE UPDATE ON hl_orders
    FOR EACH ROW
    EXECUTE FUNCTION update_updated_at();
