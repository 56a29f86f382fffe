-- 20,000 tables with 100,000 columns at scale 1: what reading the catalogs costs.
-- Run by psql with PGOPTIONS='-c side_by_side.scale=1'.
do $$
begin
  for i in 1 .. (20000 * current_setting('side_by_side.scale')::numeric)::int loop
    execute format(
      'create table t_%s (id bigint primary key, a int not null default 7, b text, '
      'c timestamptz default now(), d numeric(10,2))', i);
    -- A transaction may hold only so many locks.
    if i % 500 = 0 then
      commit;
    end if;
  end loop;
end
$$;
vacuum analyze;
