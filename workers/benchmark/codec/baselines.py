"""The codec's work in torch and numpy, as somebody who has only these would write it: the same selection, quantiser, packing and error
feedback; decoding, scatter-add and outer step. Answers each line on stdin with the nanoseconds an element took, or "none":

    torch-compress <threads> | torch-aggregate <threads> | numpy-compress
"""

import sys
import time

CHUNK, KEEP, PEERS = 4096, 64, 20
# Far beyond any cache, as what it is compared with.
CHUNKS = 8192
BETA, ALPHA = 0.95, 1.0

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None


def torch_compress(delta, error):
    x = torch.mul(error, BETA).add_(delta)
    index = x.abs().topk(KEEP, dim=1, sorted=False).indices.sort(dim=1).values
    kept = x.gather(1, index)
    size = kept.abs()
    threshold = size.mean(dim=1, keepdim=True)
    for step in range(3):
        is_high = size >= threshold
        count = is_high.sum(dim=1, keepdim=True)
        high = torch.where(count > 0, (size * is_high).sum(dim=1, keepdim=True) / count, threshold)
        low = torch.where(count < KEEP, (size * ~is_high).sum(dim=1, keepdim=True) / (KEEP - count), threshold)
        if step < 2:
            threshold = (low + high) * 0.5
    levels = torch.cat([low, high], dim=1).to(torch.bfloat16)
    negative = kept < 0
    wide = levels.to(torch.float32)
    value = torch.where(is_high, wide[:, 1:], wide[:, :1])
    x.scatter_add_(1, index, torch.where(negative, value, -value))
    position = (index >> 6) + torch.arange(KEEP)
    bits = torch.zeros(x.shape[0], 128, dtype=torch.uint8).scatter_(1, position, 1)
    bitmap = (bits.view(-1, 16, 8) << torch.arange(8, dtype=torch.uint8)).sum(dim=2).to(torch.uint8)
    code = (negative.to(torch.int64) << 1 | is_high.to(torch.int64)) << 6
    entries = (code | (index & 63)).to(torch.uint8)
    packed_levels = levels.view(torch.int16)
    low_bytes = (packed_levels & 0xFF).to(torch.uint8)
    high_bytes = (packed_levels >> 8 & 0xFF).to(torch.uint8)
    level_bytes = torch.stack([low_bytes, high_bytes], dim=2).view(-1, 4)
    return torch.cat([bitmap, entries, level_bytes], dim=1), x


def torch_decode(records):
    bits = (records[:, :16, None] >> torch.arange(8, dtype=torch.uint8) & 1).view(-1, 128)
    position = bits.nonzero()[:, 1].view(-1, KEEP)
    entries = records[:, 16:80].to(torch.int64)
    index = (position - torch.arange(KEEP)) * 64 + (entries & 63)
    halves = records[:, 80::2].to(torch.int32) | records[:, 81::2].to(torch.int32) << 8
    levels = (halves << 16).view(torch.float32)
    value = levels.gather(1, entries >> 6 & 1)
    return index, torch.where(entries >> 7 == 1, -value, value)


def torch_aggregate(payloads, theta):
    total = torch.zeros_like(theta)
    for records in payloads:
        index, value = torch_decode(records)
        total.scatter_reduce_(1, index, value * (1.0 / PEERS), reduce="sum")
    return theta - ALPHA * total


def numpy_compress(delta, error):
    x = error * numpy.float32(BETA) + delta
    index = numpy.sort(numpy.argpartition(numpy.abs(x), CHUNK - KEEP, axis=1)[:, CHUNK - KEEP :], axis=1)
    kept = numpy.take_along_axis(x, index, axis=1)
    size = numpy.abs(kept)
    threshold = size.mean(axis=1, keepdims=True)
    for step in range(3):
        is_high = size >= threshold
        count = is_high.sum(axis=1, keepdims=True)
        high = numpy.where(count > 0, (size * is_high).sum(axis=1, keepdims=True) / numpy.maximum(count, 1), threshold)
        rest = numpy.maximum(KEEP - count, 1)
        low = numpy.where(count < KEEP, (size * ~is_high).sum(axis=1, keepdims=True) / rest, threshold)
        if step < 2:
            threshold = (low + high) * numpy.float32(0.5)
    bits = numpy.concatenate([low, high], axis=1).astype(numpy.float32).view(numpy.uint32)
    halves = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(numpy.uint16)
    wide = (halves.astype(numpy.uint32) << 16).view(numpy.float32)
    negative = kept < 0
    value = numpy.where(is_high, wide[:, 1:], wide[:, :1])
    numpy.put_along_axis(x, index, kept - numpy.where(negative, -value, value), axis=1)
    bitmap = numpy.zeros((x.shape[0], 128), numpy.uint8)
    numpy.put_along_axis(bitmap, (index >> 6) + numpy.arange(KEEP), 1, axis=1)
    entries = ((negative.astype(numpy.uint8) << 1 | is_high) << 6 | index & 63).astype(numpy.uint8)
    packed = numpy.packbits(bitmap, axis=1, bitorder="little")
    return numpy.concatenate([packed, entries, halves.view(numpy.uint8)], axis=1), x


def nanoseconds(work):
    work()
    start = time.perf_counter()
    work()
    return 1e9 * (time.perf_counter() - start) / (CHUNKS * CHUNK)


def prepared():
    if torch is not None:
        torch.manual_seed(1)
        vectors = {name: torch.randn(CHUNKS, CHUNK) for name in ("delta", "error", "theta")}
        vectors["payloads"] = [torch_compress(torch.randn(CHUNKS, CHUNK), torch.zeros(CHUNKS, CHUNK))[0] for _ in range(PEERS)]
        return vectors
    draw = numpy.random.default_rng(1)
    return {name: draw.standard_normal((CHUNKS, CHUNK), numpy.float32) for name in ("delta", "error")}


def main():
    data = prepared() if torch is not None or numpy is not None else {}
    for line in sys.stdin:
        word, *threads = line.split()
        library = word.split("-")[0]
        if (torch if library == "torch" else numpy) is None:
            print("none", flush=True)
            continue
        if library == "torch":
            torch.set_num_threads(int(threads[0]))
        if word == "torch-compress":
            taken = nanoseconds(lambda: torch_compress(data["delta"], data["error"]))
        elif word == "torch-aggregate":
            taken = nanoseconds(lambda: torch_aggregate(data["payloads"], data["theta"]))
        else:
            delta, error = (numpy.asarray(data[name]) for name in ("delta", "error"))
            taken = nanoseconds(lambda: numpy_compress(delta, error))
        print(f"{taken:.6f}", flush=True)


main()
