//! The text of `pg_dump --help`, in words of our own; the options are those of PostgreSQL 18.

/// What is printed.
pub(super) const TEXT: &str = "\
pg_dump writes a PostgreSQL database to a script or an archive.

Usage:
  pg_dump [OPTION]... [DBNAME]

What to write, and how:
  -f, --file=FILENAME          name of the output file or directory
  -F, --format=c|d|t|p         form of the output: custom, directory, tar or
                               plain text (the default)
  -j, --jobs=NUM               number of tables read at the same time
  -v, --verbose                tell what is being done
  -V, --version                print the version and stop
  -Z, --compress=METHOD[:DETAIL]
                               how to compress: gzip, lz4, zstd or none
  --lock-wait-timeout=TIMEOUT  longest wait for the lock of a table
  --no-sync                    do not wait until the output is safe on disk
  --sync-method=METHOD         how to wait for that: fsync or syncfs
  -?, --help                   print this text and stop

What the output contains:
  -a, --data-only              rows, without definitions and statistics
  -b, --large-objects          large objects, also in a partial dump
  --blobs                      (old name of --large-objects)
  -B, --no-large-objects       no large objects
  --no-blobs                   (old name of --no-large-objects)
  -c, --clean                  drop the objects before they are made
  -C, --create                 make the database first
  -e, --extension=PATTERN      these extensions and no others
  -E, --encoding=ENCODING      encoding of the output
  -n, --schema=PATTERN         these schemas and no others
  -N, --exclude-schema=PATTERN all schemas but these
  -O, --no-owner               do not tell who owns the objects, in plain text
  -s, --schema-only            definitions, without rows and statistics
  -S, --superuser=NAME         who turns triggers off, in plain text
  -t, --table=PATTERN          these tables and no others
  -T, --exclude-table=PATTERN  all tables but these
  -x, --no-privileges          no privileges (GRANT, REVOKE)
  --binary-upgrade             for pg_upgrade alone
  --column-inserts             rows as INSERT commands that name the columns
  --disable-dollar-quoting     quote function bodies as standard SQL does
  --disable-triggers           turn triggers off while rows are loaded
  --enable-row-security        of protected tables, the rows one may see
  --exclude-extension=PATTERN  all extensions but these
  --exclude-table-and-children=PATTERN
                               all tables but these, their partitions and what
                               inherits from them
  --exclude-table-data=PATTERN the definitions of these tables, not their rows
  --exclude-table-data-and-children=PATTERN
                               as before, also of partitions and of what
                               inherits from them
  --extra-float-digits=NUM     digits of floating point numbers
  --filter=FILENAME            read what to include and exclude from a file
  --if-exists                  drop with IF EXISTS
  --include-foreign-data=PATTERN
                               also the rows of foreign tables on these servers
  --inserts                    rows as INSERT commands instead of COPY
  --load-via-partition-root    load partitions through the root of their table
  --no-comments                no comments
  --no-data                    no rows
  --no-policies                no row security policies
  --no-publications            no publications
  --no-schema                  no definitions
  --no-security-labels         no security labels
  --no-statistics              no statistics
  --no-subscriptions           no subscriptions
  --no-table-access-method     no table access methods
  --no-tablespaces             no tablespaces
  --no-toast-compression       no compression methods of columns
  --no-unlogged-table-data     no rows of unlogged tables
  --on-conflict-do-nothing     INSERT ... ON CONFLICT DO NOTHING
  --quote-all-identifiers      quote every identifier, needed or not
  --restrict-key=RESTRICT_KEY  the key of psql's \\restrict
  --rows-per-insert=NROWS      rows of one INSERT command; implies --inserts
  --section=SECTION            this section: pre-data, data or post-data
  --sequence-data              the values of sequences
  --serializable-deferrable    wait for a moment without anomalies
  --snapshot=SNAPSHOT          read in this exported snapshot
  --statistics                 also the statistics
  --statistics-only            the statistics and nothing else
  --strict-names               every pattern for tables and schemas must match
  --table-and-children=PATTERN these tables, their partitions and what inherits
                               from them
  --use-set-session-authorization
                               make objects as their owners instead of giving
                               them to these with ALTER OWNER

Where the database is:
  -d, --dbname=DBNAME      name of the database, or a connection string
  -h, --host=HOSTNAME      host of the server, or directory of its socket
  -p, --port=PORT          port of the server
  -U, --username=NAME      role to log in as
  -w, --no-password        never ask for a password
  -W, --password           ask for a password first
  --role=ROLENAME          role to become after login

Without a database name, that of the environment variable PGDATABASE is taken.

This is pgark standing in for pg_dump of PostgreSQL 18.
";
