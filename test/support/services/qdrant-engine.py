"""Serves the parts of Qdrant's HTTP API that Weir uses, on the engine of qdrant-client's local mode. Prints its port."""

import json
import re
from http.server import BaseHTTPRequestHandler, HTTPServer

from qdrant_client import QdrantClient, models

client = QdrantClient(":memory:")


def respond(method, path, body):
    if method == "GET" and path == "/collections":
        return {"collections": [{"name": one.name} for one in client.get_collections().collections]}
    name, action = re.fullmatch(r"/collections/([^/?]+)(/[^?]*)?(?:\?.*)?", path).groups()
    if method == "PUT" and action is None:
        vectors = models.VectorParams.model_validate(body["vectors"])
        return client.create_collection(name, vectors_config=vectors)
    if method == "PUT" and action == "/index":
        return {"status": "completed"}
    if method == "PUT" and action == "/points":
        points = [models.PointStruct.model_validate(point) for point in body["points"]]
        client.upsert(name, points=points)
        return {"status": "completed"}
    selected = models.Filter.model_validate(body["filter"])
    if action == "/points/query":
        found = client.query_points(
            name,
            query=body["query"],
            query_filter=selected,
            limit=body["limit"],
            score_threshold=body["score_threshold"],
            with_payload=body["with_payload"],
        )
        return {"points": [{"id": p.id, "score": p.score, "payload": p.payload} for p in found.points]}
    if action == "/points/count":
        return {"count": client.count(name, count_filter=selected, exact=body["exact"]).count}
    if action == "/points/delete":
        client.delete(name, points_selector=models.FilterSelector(filter=selected))
        return {"status": "completed"}
    raise ValueError(f"unexpected call: {method} {path}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet.
    wbufsize = 65536

    def serve(self):
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length) or "null")
        try:
            status, content = 200, {"result": respond(self.command, self.path, body), "status": "ok"}
        except Exception as error:
            status, content = 400, {"status": {"error": repr(error)}}
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = serve

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
