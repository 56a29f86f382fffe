//! What `pg_restore --help` prints.

pub(super) const HELP: &str = "\
pg_restore puts the contents of an archive made by pg_dump back into a database.

Usage:
  pg_restore [OPTION]... [FILE]

General options:
  -d, --dbname=NAME        database to restore into
  -f, --file=FILENAME      write a script to this file (- for standard output)
  -F, --format=c|d|t       format of the archive, which is found out otherwise
  -l, --list               print the table of contents
  -v, --verbose            tell what is done
  -V, --version            print the version and exit
  -?, --help               print this help and exit

What is restored, and how:
  -a, --data-only              rows only, no definitions or statistics
  -c, --clean                  drop the objects first
  -C, --create                 create the database
  -e, --exit-on-error          stop at the first error instead of counting them
  -I, --index=NAME             this index
  -j, --jobs=NUM               use this many connections
  -L, --use-list=FILENAME      only what this list names, in its order
  -n, --schema=NAME            only objects in this schema
  -N, --exclude-schema=NAME    no objects in this schema
  -O, --no-owner               no owners of objects
  -P, --function=NAME(args)    this function
  -s, --schema-only            definitions only, no rows or statistics
  -S, --superuser=NAME         superuser that turns triggers off and on
  -t, --table=NAME             this table, view or sequence
  -T, --trigger=NAME           this trigger
  -x, --no-privileges          no privileges (GRANT, REVOKE)
  -1, --single-transaction     everything in one transaction
  --disable-triggers           turn triggers off while only rows are loaded
  --enable-row-security        leave row security on
  --filter=FILENAME            take names of objects from this file
  --if-exists                  drop with IF EXISTS
  --no-comments                no comments on objects
  --no-data                    no rows
  --no-data-for-failed-tables  no rows for tables that could not be created
  --no-policies                no row security policies
  --no-publications            no publications
  --no-schema                  no definitions
  --no-security-labels         no security labels
  --no-statistics              no statistics
  --no-subscriptions           no subscriptions
  --no-table-access-method     no table access methods
  --no-tablespaces             no tablespaces
  --restrict-key=RESTRICT_KEY  key of psql's restricted mode in a script
  --section=SECTION            this section: pre-data, data or post-data
  --statistics                 statistics as well
  --statistics-only            statistics only, no definitions or rows
  --strict-names               every name given must be in the archive
  --transaction-size=N         commit after every N objects
  --use-set-session-authorization
                               create objects as their owners instead of giving
                               them away afterwards

Connection:
  -h, --host=HOSTNAME      host of the server or directory of its socket
  -p, --port=PORT          port of the server
  -U, --username=NAME      user to connect as
  -w, --no-password        never ask for a password
  -W, --password           ask for a password first
  --role=ROLENAME          become this role after the login

-I, -n, -N, -P, -t, -T and --section can be combined and repeated.
Without FILE the archive is read from standard input.
";
