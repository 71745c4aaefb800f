"""Prints every object of a bucket as one JSON object: read_bucket.py ENDPOINT BUCKET REGION"""

import hashlib
import json
import sys

import boto3


def main(endpoint, bucket, region):
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name=region)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    print(json.dumps({key: read(s3, bucket, key) for key in keys}))


def read(s3, bucket, key):
    answer = s3.get_object(Bucket=bucket, Key=key)
    body = answer["Body"].read()
    return {
        "body": body.decode(),
        "sha256": hashlib.sha256(body).hexdigest(),
        "metadata": answer["Metadata"],
        "encryption": answer.get("ServerSideEncryption"),
        "kms_key": answer.get("SSEKMSKeyId"),
    }


main(*sys.argv[1:])
