"""SQL texts changed as somebody would who edits them wrongly, and as nobody would: words, clauses, depth, width.

A text, other texts to borrow from and a source of chance enter; a text leaves.
"""

import re
from collections.abc import Callable, Sequence
from random import Random

TOKENS = re.compile(r"\w+|\s+|[^\w\s]")
KEYWORDS = (
    "select from where group by having order limit offset union except intersect all distinct as with recursive values join left cross on using natural "
    "lateral over partition window range rows between preceding following current row case when then else end cast try_cast null not in exists like is and "
    "or * exclude replace columns unnest pivot unpivot qualify sample asof filter struct_pack list_transform interval :: -> [ ] { } ( ) , ; . -- /* */ ' \" $$ "
    "origin carrier time_hour source flights weather year arr_delay f w late 0 1 1e999 99999999999999999999999 'x' é 名 ? $1 @a #1 %"
)
WORDS = KEYWORDS.split()
CLAUSES = (
    "where origin = 'JFK'",
    "group by all",
    "group by 1, 99",
    "group by rollup (origin), cube (carrier)",
    "order by nothing",
    "limit 5 percent",
    "qualify row_number() over (partition by origin order by time_hour) = 1",
    "join weather using (origin, nothing)",
    "natural join flights",
    "asof join weather w2 on w2.time_hour <= time_hour",
    "cross join unnest([1, 2, 3]) as u(x)",
    ", lateral (select 1 as one) l",
    "union all by name select 1 as z",
    "except select * from source",
    "window w as (partition by origin), w as (order by w)",
    "pivot (count(*) for origin in ('JFK', 'EWR'))",
    "using sample 10%",
)
QUERIES = (
    "with recursive t as (select 1 as n union all select n + 1 from t) select * from t",
    "with a as (select * from b), b as (select * from a) select * from a",
    "select columns('.*_delay') from flights",
    "select * exclude (nothing) replace (1 as nothing) rename (a as b) from flights",
    "from flights",
    "from flights select origin",
    "pivot flights on origin using count(*)",
    "unpivot flights on year, month into name k value v",
    "values (1, 'a'), (2)",
    "select unnest({'a': 1, 'b': [2]}), x -> x + 1, list_transform([1], lambda y: y) as l from source",
    "select (select max(t.year) from flights t where t.origin = s.origin) as m from source s",
    "select s.* from source s, source s",
    "select * from read_csv('x.csv')",
    "select * from 'x.parquet'",
    "select source from source",
    "select f.a.b.c.d.e from flights f",
    "select * from (values (1)) v(a, b)",
    "create table x as select 1; drop table x",
    "insert into flights values (1)",
    "describe flights",
    "summarize flights",
    "copy flights to 'x'",
    "select 1; select 2",
    ";",
    "-- nothing",
    "/*",
    "select",
    "select from",
    "select * from flights where",
    "explain select 1",
    "table flights",
    "set x = 1",
    "select * from a.b.c.d",
    'select "" from ""',
    "select ''''''",
    'select 1 as "a\nb"',
    "\x00",
    "select max(year) over (order by year rows between unbounded preceding and 1 preceding) as y, lag(late) over w from source window w as (order by w)",
    "select case when year then 1 end, try_cast(year as struct(a int)), year::decimal(3, 2)[] as d, interval 1 month, date '2013-01-01', ? from flights",
)


def changed_sql(sql: str, others: Sequence[str], random: Random) -> str:
    """The text after one to three changes."""
    for _ in range(random.choice((1, 1, 2, 3))):
        sql = random.choice(CHANGES)(sql, others, random)
    return sql[:20_000]


def _without_token(sql: str, others: Sequence[str], random: Random) -> str:
    tokens = TOKENS.findall(sql)
    at = random.randint(0, len(tokens))
    return "".join(tokens[:at] + tokens[at + random.choice((1, 1, 1, 5)) :])


def _with_token(sql: str, others: Sequence[str], random: Random) -> str:
    tokens = TOKENS.findall(sql)
    tokens.insert(random.randint(0, len(tokens)), f" {random.choice(WORDS)} ")
    return "".join(tokens)


def _other_token(sql: str, others: Sequence[str], random: Random) -> str:
    tokens = TOKENS.findall(sql) or [""]
    tokens[random.randrange(len(tokens))] = random.choice((random.choice(WORDS), random.choice(tokens), ""))
    return "".join(tokens)


def _swapped(sql: str, others: Sequence[str], random: Random) -> str:
    tokens = TOKENS.findall(sql) or [""]
    one, other = random.randrange(len(tokens)), random.randrange(len(tokens))
    tokens[one], tokens[other] = tokens[other], tokens[one]
    return "".join(tokens)


def _spliced(sql: str, others: Sequence[str], random: Random) -> str:
    other = random.choice(others)
    return sql[: random.randint(0, len(sql))] + other[random.randint(0, len(other)) :]


def _with_clause(sql: str, others: Sequence[str], random: Random) -> str:
    return f"{sql} {random.choice(CLAUSES)}"


def _other_query(sql: str, others: Sequence[str], random: Random) -> str:
    return random.choice(QUERIES)


def _within(sql: str, others: Sequence[str], random: Random) -> str:
    inner = random.choice(("select * from ({}) t", "with a as ({}) select * from a", "({})", "select ({}) as x", "select * from flights where exists ({})"))
    return inner.format(sql)


def _deep(sql: str, others: Sequence[str], random: Random) -> str:
    depth = random.choice((3, 30, 300, 3000))
    start, end = random.choice(
        (("(", ")"), ("not ", ""), ("- ", ""), ("abs(", ")"), ("[", "]"), ("case when true then ", " end"), ("select * from (", ")"), ("a.", ""))
    )
    return f"select {start * depth}year{end * depth} as x from flights" if random.random() < 0.7 else start * depth + sql + end * depth


def _wide(sql: str, others: Sequence[str], random: Random) -> str:
    width = random.choice((3, 30, 300))
    joint = random.choice((" union all ", " union ", " ", ";", ", ", " or ", " || ", " + "))
    return joint.join([random.choice((sql, "select 1 as one", "year", "select * from flights"))] * width)


Change = Callable[[str, Sequence[str], Random], str]
CHANGES: tuple[Change, ...] = (
    *(_without_token, _with_token, _other_token, _swapped) * 3,
    *(_spliced, _with_clause, _other_query, _within) * 2,
    *(_deep, _wide),
)
