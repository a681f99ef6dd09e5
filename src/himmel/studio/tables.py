"""The tables of the database as they are now; ``migrations`` says how they came to be.

Owns: columns, keys, indexes. Knows no rules: what may happen to a job stands in ``jobs`` and ``queue``.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("weight", Float, nullable=False),
    Column("created_at", Float, nullable=False),
    # The queue's view of the account, kept in the same transactions as its jobs.
    Column("served", Float, nullable=False),  # compute-seconds over weight: virtual time
    Column("queued", Integer, nullable=False),
    Column("queued_cost", Float, nullable=False),  # compute-seconds
    Column("suspended_at", Float),
    # What an operator lets it use, whichever key or browser it comes with; None is any number.
    Column("open_jobs", Integer),  # at most so many that wait or run
    Column("daily_seconds", Float),  # compute-seconds of the jobs of the last 24 hours
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
    Column("parent_id", String(32), ForeignKey("keys.id")),
    # What the key may do; None is "everything that its account may".
    Column("scopes", JSON(none_as_null=True)),
    Column("models", JSON(none_as_null=True)),
    Column("addresses", JSON(none_as_null=True)),  # networks that it may come from
    Column("expires_at", Float),
    Column("open_jobs", Integer),  # at most so many that wait or run
    Column("daily_seconds", Float),  # compute-seconds of the jobs of the last 24 hours
    Index("keys_of_account", "account_id"),
    Index("keys_of_parent", "parent_id"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("key_id", String(32), ForeignKey("keys.id")),  # that asked for it
    Column("number", Integer, nullable=False),  # counts up within the account: order of acceptance
    Column("status", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("parent_id", String(40)),
    Column("group_id", String(40)),  # the first of several that one request asked for
    Column("priority", Integer, nullable=False),
    Column("cost", Float, nullable=False),  # compute-seconds: estimated, then measured
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("completed_at", Float),
    Column("progress", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),  # also the fencing token: every claim counts it up
    Column("lost", Integer, nullable=False, server_default="0"),  # leases that ended in silence
    Column("worker", String(80)),
    Column("lease_until", Float),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("state_digest", String(64)),  # the file with which another worker can go on
    Column("results", JSON, nullable=False),  # variant to the digest of its file
    Column("details", JSON, nullable=False),  # what the worker tells of the finished clip
    Column("idempotency_key", String(255)),
    Column("body_digest", String(64)),
    Column("deleted_at", Float),
    Index("jobs_of_account", "account_id", "status", "priority", "number"),
    Index("jobs_leased", "status", "lease_until"),
    Index("jobs_by_age", "status", "created_at"),
    Index("jobs_once", "account_id", "idempotency_key", unique=True),
    Index("jobs_number", "account_id", "number", unique=True),
    Index("jobs_of_key", "key_id", "created_at"),
    Index("jobs_of_group", "group_id"),
)

# How clips look that are being made; gone when they are there.
previews = Table(
    "previews",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id"), primary_key=True),
    Column("picture", LargeBinary, nullable=False),  # a small WebP
)

# Apart from the accounts, so that no list of them carries what can be guessed at.
passwords = Table(
    "passwords",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("hash", String(255), nullable=False),  # argon2id, with its salt and costs
    Column("changed_at", Float, nullable=False),
)

# Browsers that are signed in.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("key_id", String(32), ForeignKey("keys.id")),  # that it was begun with, if it was one: it ends with it
    Column("digest", String(64), nullable=False, unique=True),  # of what the cookie holds
    Column("device", String(200), nullable=False),  # as the browser calls itself
    Column("created_at", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("ended_at", Float),
    Column("confirmed_at", Float),  # when it was last shown who sits there, with all that signing in asks for
    Column("passkey_id", String(32)),  # that it was begun with, if it was one: it ends with it
)

# Browsers that gave the right password and still owe a code.
half_sessions = Table(
    "half_sessions",
    metadata,
    Column("digest", String(64), primary_key=True),  # of what the cookie holds
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
)

# Codes of an authenticator app: one to an account.
totp = Table(
    "totp",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # the shared secret, encrypted with a key that is not in here
    Column("created_at", Float, nullable=False),
    Column("enabled_at", Float),  # None until a right code was given
    Column("last_step", Integer, nullable=False),  # of 30 seconds: no code of it, or of one before, is good any more
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("used_at", Float),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("credential_id", String(1400), nullable=False, unique=True),  # as base64url
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", BigInteger, nullable=False),
    Column("host", String(255), nullable=False),  # that it is good for: the relying party's id
    Column("name", String(80), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("last_used", Float),
)

folders = Table(
    "folders",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("name", String(80), nullable=False),
    Column("created_at", Float, nullable=False),
    Index("folders_by_name", "account_id", "name", unique=True),
)

# What an account has done with a clip of its library; a clip without a row has neither star nor folder.
shelf = Table(
    "shelf",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id"), primary_key=True),
    Column("starred_at", Float),
    Column("folder_id", String(32), ForeignKey("folders.id"), index=True),
)

# Clips that their makers let every member of the server see.
published = Table(
    "published",
    metadata,
    Column("job_id", String(40), ForeignKey("jobs.id"), primary_key=True),
    Column("published_at", Float, nullable=False),
    Index("published_by_time", "published_at", "job_id"),
)

# Links to clips for whoever has them.
shares = Table(
    "shares",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("job_id", String(40), ForeignKey("jobs.id"), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),  # of what the link holds
    Column("created_at", Float, nullable=False),
)

# Zips that are read into a library; what each of them says of clips is counted as it goes.
imports = Table(
    "imports",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("total", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("known", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("why", Text, nullable=False),  # the first was refused
    Column("problem", Text),  # that ended it
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
)

characters = Table(
    "characters",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(80), nullable=False),
    Column("digest", String(64), nullable=False),  # of the clip that shows it
    Column("created_at", Float, nullable=False),
)

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("url", Text, nullable=False),
    Column("event_types", JSON, nullable=False),
    Column("secret", String(80), nullable=False),
    Column("old_secret", String(80)),
    Column("old_secret_until", Float),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# The outbox: ``next_at`` is None for what was laid aside after the last try.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("endpoint_id", String(32), ForeignKey("webhook_endpoints.id"), nullable=False, index=True),
    Column("body", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, index=True),
    Column("delivered_at", Float),
    Column("problem", Text),
)

files = Table(
    "files",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("filename", String(200), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("deleted_at", Float),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("key_id", String(32), ForeignKey("keys.id")),  # that asked for it
    Column("input_file_id", String(40), ForeignKey("files.id"), nullable=False),
    Column("output_file_id", String(40)),
    Column("status", String(16), nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("expires_at", Float, nullable=False),
    Column("total", Integer, nullable=False),  # lines of the input file
    Column("next_line", Integer, nullable=False),  # of the input file: the first that the queue has not seen
    Column("problem", JSON(none_as_null=True)),
    Column("metadata", JSON(none_as_null=True)),
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch_id", String(40), ForeignKey("batches.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("custom_id", String(512), nullable=False),
    Column("job_id", String(40)),
    Column("error", JSON(none_as_null=True)),
)

workers = Table(
    "workers",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("model", String(80), nullable=False),
    Column("version", String(80), nullable=False),
    Column("device", String(80), nullable=False),
    Column("weights", String(40), nullable=False),  # their hash
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("job_id", String(40)),  # what it does now
    Column("jobs_done", Integer, nullable=False),
    Column("jobs_failed", Integer, nullable=False),
)

# Triggers refuse every change of a row that is there, see the migration.
audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("who", String(80), nullable=False),
    Column("act", String(40), nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Column("hash", String(64), nullable=False),
)

Index("accounts_waiting", accounts.c.queued, accounts.c.served)
