//! What `pg_dumpall --help` prints.

pub(super) const HELP: &str = "\
pg_dumpall writes all databases of a PostgreSQL server as one SQL script.

Usage:
  pg_dumpall [OPTION]...

General options:
  -f, --file=FILENAME          write to this file
  -v, --verbose                tell what is done
  -V, --version                print the version and exit
  --lock-wait-timeout=TIMEOUT  give up when a table's lock is not granted in time
  -?, --help                   print this help and exit

What is written:
  -a, --data-only              rows only, no definitions or statistics
  -c, --clean                  drop databases, roles and tablespaces first
  -E, --encoding=ENCODING      encoding of the script
  -g, --globals-only           roles and tablespaces only, no databases
  -O, --no-owner               no owners of objects
  -r, --roles-only             roles only, no databases or tablespaces
  -s, --schema-only            definitions only, no rows or statistics
  -S, --superuser=NAME         superuser that turns triggers off and on
  -t, --tablespaces-only       tablespaces only, no databases or roles
  -x, --no-privileges          no privileges (GRANT, REVOKE)
  --binary-upgrade             for pg_upgrade only
  --column-inserts             rows as INSERT commands that name the columns
  --disable-dollar-quoting     quote function bodies as ordinary strings
  --disable-triggers           turn triggers off while rows are loaded
  --exclude-database=PATTERN   leave out databases that match PATTERN
  --extra-float-digits=NUM     digits of floating point numbers
  --filter=FILENAME            leave out databases that FILENAME names
  --if-exists                  drop with IF EXISTS
  --inserts                    rows as INSERT commands instead of COPY
  --load-via-partition-root    load partitions through their root table
  --no-comments                no comments on objects
  --no-data                    no rows
  --no-policies                no row security policies
  --no-publications            no publications
  --no-role-passwords          no passwords of roles
  --no-schema                  no definitions
  --no-security-labels         no security labels
  --no-statistics              no statistics
  --no-subscriptions           no subscriptions
  --no-sync                    do not wait until the file is on disk
  --no-table-access-method     no table access methods
  --no-tablespaces             no tablespaces
  --no-toast-compression       no compression methods of columns
  --no-unlogged-table-data     no rows of unlogged tables
  --on-conflict-do-nothing     INSERT commands skip rows that are in conflict
  --quote-all-identifiers      quote every identifier
  --restrict-key=RESTRICT_KEY  key of psql's restricted mode
  --rows-per-insert=NROWS      rows in one INSERT command; implies --inserts
  --sequence-data              values of sequences also without rows
  --statistics                 statistics as well
  --statistics-only            statistics only, no definitions or rows
  --use-set-session-authorization
                               create objects as their owners instead of giving
                               them away afterwards

Connection:
  -d, --dbname=CONNSTR     connection string
  -h, --host=HOSTNAME      host of the server or directory of its socket
  -l, --database=DBNAME    database to connect to first
  -p, --port=PORT          port of the server
  -U, --username=NAME      user to connect as
  -w, --no-password        never ask for a password
  -W, --password           ask for a password first
  --role=ROLENAME          become this role after the login

Without -f/--file the script is written to standard output.
";
