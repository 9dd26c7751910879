"""Kubernetes objects where Pulumi's own plugin is not installed: the types of ``pulumi-kubernetes``, served by server-side apply.

connection   where the API server is and who asks        discovery   which paths a kind has
client       requests over kept connections              kinds       what is served; the rest is refused by name
objects      what is sent: tidied, addressed, compared    fields      who owns a field of a live object
apply        create, change, plan by dry run             readiness   whether an object is ready, and why not
deletion     delete and wait                             listing     what a plan reads, a kind at a time
provider     the Pulumi face
"""
