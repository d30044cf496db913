"""The triggers that make the record insert-only on both databases."""

# Table → its keys: a new row may take the value of no row there (INSERT OR REPLACE would delete the old one).
TABLES: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "audit_event": ("id",),
    "audit_span": ("id",),
    "audit_leaf": ("id", "event_id"),
    "audit_node": ("id", ("level", "position")),
    "audit_checkpoint": ("id", "size"),
    "audit_anchor": ("id", ("size", "kind", "name")),
}


def sqlite_statements() -> list[str]:
    statements = []
    for table, keys in TABLES.items():
        refusal = f"SELECT RAISE(ABORT, '{table} is insert-only');"
        taken = " OR ".join(_same(key) for key in keys)
        statements += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {refusal} END",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {refusal} END",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) BEGIN {refusal} END",
        ]
    return statements


def _same(key: str | tuple[str, ...]) -> str:
    columns = (key,) if isinstance(key, str) else key
    return "(" + " AND ".join(f"{column} = NEW.{column}" for column in columns) + ")"


def postgres_statements() -> list[str]:
    statements = [
        "CREATE FUNCTION uamail_insert_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is insert-only', TG_TABLE_NAME; END $$"
    ]
    for table in TABLES:
        statements += [
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION uamail_insert_only()",
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION uamail_insert_only()",
        ]
    return statements
