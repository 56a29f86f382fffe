-- 100,000 large objects at scale 1, most of them small, as they are where they stand for files of users.
-- Run by psql with PGOPTIONS='-c side_by_side.scale=1'.
do $$
declare
  content bytea;
begin
  for i in 1 .. (100000 * current_setting('side_by_side.scale')::numeric)::int loop
    content := convert_to(repeat(md5(i::text), 1 + i % 60), 'SQL_ASCII');
    perform lo_from_bytea(0, content);
    -- A transaction may hold only so many locks.
    if i % 500 = 0 then
      commit;
    end if;
  end loop;
end
$$;
vacuum analyze;
