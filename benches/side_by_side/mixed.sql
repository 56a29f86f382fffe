-- The mixed database: about 1.4 GB of COPY text at scale 1.
-- Wide short rows, rows of every common type with three indexes, long texts, many small tables.
-- Run by psql with PGOPTIONS='-c side_by_side.scale=1'.
create table accounts as
  select g as aid, (g / 100000)::int as bid, (random() * 1000000)::int as abalance,
         rpad('', 60, 'x') || md5(g::text) as filler
  from generate_series(1, (4000000 * current_setting('side_by_side.scale')::numeric)::int) g;
alter table accounts add primary key (aid);

create table events (
  id bigserial primary key,
  ts timestamptz not null,
  user_id uuid not null,
  kind text not null,
  amount numeric(12,4),
  tags text[],
  doc jsonb not null
);
insert into events (ts, user_id, kind, amount, tags, doc)
  select '2024-01-01'::timestamptz + g * interval '3.7 s',
         gen_random_uuid(),
         (array['click', 'view', 'buy', 'login'])[1 + (random() * 3)::int],
         (random() * 100000)::numeric(12,4),
         array['t' || (g % 17), 'u' || (g % 31)],
         jsonb_build_object(
           'ip', '10.' || (g % 255) || '.' || (g % 13) || '.7',
           'path', '/p/' || md5(g::text),
           'n', g,
           'score', random(),
           'ua', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36',
           'nested', jsonb_build_object('a', g % 7, 'b', md5((g * 7)::text)))
  from generate_series(1, (2000000 * current_setting('side_by_side.scale')::numeric)::int) g;
create index on events (ts);
create index on events (user_id);
create index on events using gin (tags);

create table docs (id int primary key, body text);
insert into docs
  select g, string_agg(md5((g * 1000 + h)::text), ' ')
  from generate_series(1, (60000 * current_setting('side_by_side.scale')::numeric)::int) g,
       generate_series(1, 150) h
  group by g;

do $$
begin
  for i in 1 .. 200 loop
    execute format('create table small_%s (id int primary key, v text, w numeric)', i);
    execute format('insert into small_%s select g, md5(g::text), g * 1.5 from generate_series(1, 2000) g', i);
  end loop;
end
$$;
vacuum analyze;
