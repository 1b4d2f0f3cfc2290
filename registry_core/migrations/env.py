"""What Alembic runs: the revisions, on the connection `upgrade` was given."""

from alembic import context

from registry_core.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
