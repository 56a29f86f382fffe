-- Many tables: 5,000 at scale 1, each with a sequence, a default, three indexes, a comment, one row, and a
-- foreign key to the table before it.
-- Run by psql with PGOPTIONS='-c side_by_side.scale=1'.
do $$
begin
  for i in 1 .. (5000 * current_setting('side_by_side.scale')::numeric)::int loop
    execute format(
      'create table t_%s (id bigserial primary key, a int not null default 7, b text unique, '
      'c timestamptz default now(), parent bigint)', i);
    execute format('create index on t_%s (a, c)', i);
    if i > 1 then
      execute format('alter table t_%s add foreign key (parent) references t_%s (id)', i, i - 1);
    end if;
    execute format('insert into t_%s (b) values (''x'')', i);
    execute format('comment on table t_%s is ''table %s''', i, i);
    -- A transaction may hold only so many locks.
    if i % 500 = 0 then
      commit;
    end if;
  end loop;
end
$$;
vacuum analyze;
