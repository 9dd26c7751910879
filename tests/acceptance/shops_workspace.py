"""A workspace with a feature store: 400 sales of four shops, what a shop sold up to the day before, and a share made on demand."""

from pathlib import Path

from workspaces import make_workspace

SPECS = """\
apiVersion: mlx/v1
kind: Dataset
metadata: {name: sales}
spec:
  source: {type: csv, path: sales.csv}
  timeline: [order, delivery]
  eventTime: ordered
  keys: [id]
  columns:
    id: {type: integer, availableAt: order}
    ordered: {type: timestamp, availableAt: order}
    shop: {type: string, availableAt: order}
    price: {type: float, availableAt: order}
    sold: {type: float, availableAt: delivery}
---
apiVersion: mlx/v1
kind: Dataset
metadata: {name: shop-days}
spec:
  inputs: [sales]
  eventTime: known_at
  keys: [shop, known_at]
  prepare:
    - sql: |
        select shop, date_trunc('day', ordered) + interval 1 day as known_at, avg(sold) as mean_sold, max(price) as top_price
        from sales group by shop, date_trunc('day', ordered)
  columns:
    mean_sold: {type: float, availableAt: 0s}
---
apiVersion: mlx/v1
kind: FeatureStore
metadata: {name: shops}
spec:
  entities: {shop: {joinKey: shop}}
  featureViews:
    days:
      entities: [shop]
      source: shop-days
      features: {mean_sold: float, top_price: float}
      ttl: 30d
      defaults: {mean_sold: 0.0, top_price: 0.0}
      owner: sales-team
  onDemandViews:
    bargain:
      function: shop_features:share
      inputs: {views: {days: [top_price]}, request: {price: float}}
      features: {price_share: float}
      defaults: {price_share: 1.0}
  featureServices:
    selling: {views: {days: [], bargain: []}}
---
apiVersion: mlx/v1
kind: Pipeline
metadata: {name: tabular}
spec: {entry: "mlx_pipelines.tabular:pipeline"}
---
apiVersion: mlx/v1
kind: Model
metadata: {name: demand}
spec:
  task: regression
  pipeline: tabular
  data: sales
  featureService: selling
  target: sold
  predictAt: order
  features: [price, mean_sold, price_share]
  algorithm: sklearn.linear_model.Ridge
  success: [{metric: r2, atLeast: 0.5}]
---
apiVersion: mlx/v1
kind: Inference
metadata: {name: demand-api}
spec: {mode: realtime, model: demand@champion, features: selling}
---
apiVersion: mlx/v1
kind: Inference
metadata: {name: demand-all}
spec: {mode: batch, model: demand@champion, features: selling, batch: {input: sales}}
"""
FUNCTIONS = '''"""Features that are computed when they are asked for."""


def share(top_price, price):
    """The price as a share of the shop's highest."""
    return price / top_price if top_price else None
'''


def shops_workspace(root: Path) -> Path:
    """Writes it."""
    made = make_workspace(root, "shops", [])
    made.write("specs/objects.yaml", SPECS)
    made.write("feature_repo/shop_features.py", FUNCTIONS)
    made.write("sales.csv", "id,ordered,shop,price,sold\n" + "".join(_sale(id) for id in range(400)))
    return root


def _sale(id: int) -> str:
    shop, hours = "abcd"[id % 4], id // 4
    price = 10.0 + (id * 7) % 13
    sold = 5.0 * (id % 4) - price / 4 + (id % 3)
    return f"{id},2024-01-{1 + hours // 12:02d}T{8 + hours % 12:02d}:00:00,{shop},{price},{sold}\n"
