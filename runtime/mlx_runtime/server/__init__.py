"""The local model server: one process for each realtime Inference, on 127.0.0.1.

It reads its configuration from its folder, holds one or several versions of a model, and answers KServe's open inference
protocol (V2 and V1). ``lifecycle`` starts, finds, switches and stops it; nobody else touches the process.
"""
