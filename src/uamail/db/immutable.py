"""The triggers that make the record insert-only on both databases."""

# Table → the columns whose existing value a new row may not take (INSERT OR REPLACE would delete the old row).
TABLES = {
    "audit_event": ("id",),
    "audit_span": ("id",),
    "audit_leaf": ("id", "event_id"),
    "audit_checkpoint": ("id", "size"),
}


def sqlite_statements() -> list[str]:
    statements = []
    for table, keys in TABLES.items():
        refusal = f"SELECT RAISE(ABORT, '{table} is insert-only');"
        taken = " OR ".join(f"{key} = NEW.{key}" for key in keys)
        statements += [
            f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN {refusal} END",
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN {refusal} END",
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {taken}) BEGIN {refusal} END",
        ]
    return statements


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
