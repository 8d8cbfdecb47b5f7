/**
 * Writes ONNX models in protobuf wire format. Encoding only: nothing here reads one, so a few dozen lines
 * replace a schema compiler and its runtime. Field numbers are those of `onnx.proto` (IR version 9).
 *
 * @module
 */

/** Element types in use, with their number in `TensorProto.DataType`. */
const dataTypes = { float32: 1, int32: 6, int64: 7, float64: 11 } as const;

/** Element type of a tensor. */
export type ElementType = keyof typeof dataTypes;

/** A named tensor with a static, row-major shape. */
export interface TensorType {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** A tensor stored in the model file; `bytes` are little-endian elements. */
export interface StoredTensor extends TensorType {
  readonly bytes: Uint8Array;
}

/** Attribute of a node: integer, list of integers, string, or an explicitly marked float. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

/** One operator call; an empty `domain` is the standard operator set. */
export interface NodeSpec {
  readonly operator: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A whole graph, nodes in topological order. */
export interface GraphSpec {
  readonly nodes: readonly NodeSpec[];
  readonly constants: readonly StoredTensor[];
  readonly inputs: readonly TensorType[];
  readonly outputs: readonly TensorType[];
}

const irVersion = 9;
const operatorSets = [
  { domain: "", version: 18 },
  { domain: "com.microsoft", version: 1 },
] as const;

const attributeType = { float: 1, int: 2, string: 3, ints: 7 } as const;
const utf8 = new TextEncoder();

/** Encodes a graph as a serialised `ModelProto`. */
export function encodeModel(graph: GraphSpec): Uint8Array {
  const model = new ProtobufWriter();
  model.integer(1, irVersion).text(2, "outerloop").message(7, graphProto(graph));
  for (const { domain, version } of operatorSets) {
    model.message(8, new ProtobufWriter().text(1, domain).integer(2, version));
  }
  return model.finish();
}

function graphProto(graph: GraphSpec): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const node of graph.nodes) writer.message(1, nodeProto(node));
  writer.text(2, "graph");
  for (const tensor of graph.constants) writer.message(5, tensorProto(tensor));
  for (const input of graph.inputs) writer.message(11, valueInfoProto(input));
  for (const output of graph.outputs) writer.message(12, valueInfoProto(output));
  return writer;
}

function nodeProto(node: NodeSpec): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const input of node.inputs) writer.text(1, input);
  for (const output of node.outputs) writer.text(2, output);
  writer.text(4, node.operator);
  for (const [name, value] of Object.entries(node.attributes)) {
    writer.message(5, attributeProto(name, value));
  }
  if (node.domain !== "") writer.text(7, node.domain);
  return writer;
}

function attributeProto(name: string, value: Attribute): ProtobufWriter {
  const writer = new ProtobufWriter().text(1, name);
  if (typeof value === "number") return writer.integer(3, value).integer(20, attributeType.int);
  if (typeof value === "string") return writer.text(4, value).integer(20, attributeType.string);
  if ("float" in value) return writer.float(2, value.float).integer(20, attributeType.float);
  for (const item of value) writer.integer(8, item);
  return writer.integer(20, attributeType.ints);
}

function tensorProto(tensor: StoredTensor): ProtobufWriter {
  const writer = new ProtobufWriter();
  for (const size of tensor.shape) writer.integer(1, size);
  return writer.integer(2, dataTypes[tensor.type]).text(8, tensor.name).bytes(9, tensor.bytes);
}

function valueInfoProto(value: TensorType): ProtobufWriter {
  const shape = new ProtobufWriter();
  for (const size of value.shape) shape.message(1, new ProtobufWriter().integer(1, size));
  const tensorType = new ProtobufWriter().integer(1, dataTypes[value.type]).message(2, shape);
  return new ProtobufWriter().text(1, value.name).message(2, new ProtobufWriter().message(1, tensorType));
}

/** Appends protobuf fields to a growing buffer; every method returns the writer itself. */
class ProtobufWriter {
  #buffer = new Uint8Array(64);
  #length = 0;

  /** A varint field; `value` is a non-negative integer (the graphs here hold no negative axis or size). */
  integer(field: number, value: number): this {
    return this.#varint(field * 8).#varint(value);
  }

  /** A 32-bit float field. */
  float(field: number, value: number): this {
    this.#varint(field * 8 + 5);
    return this.#append(new Uint8Array(Float32Array.of(value).buffer));
  }

  /** A length-delimited field of bytes. */
  bytes(field: number, value: Uint8Array): this {
    return this.#varint(field * 8 + 2)
      .#varint(value.length)
      .#append(value);
  }

  /** A string field. */
  text(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value));
  }

  /** An embedded message. */
  message(field: number, value: ProtobufWriter): this {
    return this.bytes(field, value.finish());
  }

  /** The bytes written so far: a view, valid until the next write. */
  finish(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  #varint(value: number): this {
    this.#reserve(8);
    let rest = value;
    while (rest > 127) {
      this.#buffer[this.#length++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#buffer[this.#length++] = rest;
    return this;
  }

  #append(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#buffer.length, this.#length + extra));
    grown.set(this.finish());
    this.#buffer = grown;
  }
}
