/**
 * Builds ONNX graphs with reverse-mode differentiation: operators append forward nodes and record how a
 * gradient flows back through them; {@link GraphBuilder.gradients} then appends the backward nodes.
 *
 * @module
 */
import { OuterloopError } from "../../schemas/errors.ts";
import {
  type Attribute,
  type ElementType,
  encodeModel,
  type NodeSpec,
  type StoredTensor,
  type TensorType,
} from "./onnx-writer.ts";

/** Floating-point type of a graph: float32 for work, float64 for checking gradients. */
export type Precision = "float32" | "float64";

/** An edge of the graph: a tensor that a node, an input or a constant provides. */
export type Value = TensorType;

/** What a node may carry besides its inputs. */
export interface NodeOptions {
  attributes?: Readonly<Record<string, Attribute>>;
  /** Element type of the output; the first input's unless given. */
  type?: ElementType;
  /** Operator set; the standard one unless given. */
  domain?: string;
}

/**
 * Vector-Jacobian product of one operator: the gradient of the loss with respect to the operator's output
 * -> the gradients with respect to each of its inputs, in the order in which they were recorded.
 */
export type VectorJacobianProduct = (gradient: Value) => readonly Value[];

interface TapeEntry {
  output: Value;
  inputs: readonly Value[];
  product: VectorJacobianProduct;
}

/** A graph under construction; shapes are static, and nodes are appended in topological order. */
export class GraphBuilder {
  readonly precision: Precision;
  readonly #nodes: NodeSpec[] = [];
  readonly #constants: StoredTensor[] = [];
  readonly #constantOf = new Map<string, Value>();
  readonly #inputs: Value[] = [];
  readonly #outputs = new Map<string, { name: string; value: Value }>();
  readonly #tape: TapeEntry[] = [];
  readonly #differentiable = new Set<Value>();
  #names = 0;

  constructor(precision: Precision = "float32") {
    this.precision = precision;
  }

  /** An input without gradient; its type is the graph's precision unless given. */
  input(name: string, shape: readonly number[], type: ElementType = this.precision): Value {
    const value = { name, type, shape };
    this.#inputs.push(value);
    return value;
  }

  /** An input that the loss may be differentiated by. */
  parameter(name: string, shape: readonly number[]): Value {
    const value = this.input(name, shape);
    this.#differentiable.add(value);
    return value;
  }

  /** Appends a node with one output of `shape`. */
  node(
    operator: string,
    inputs: readonly Value[],
    shape: readonly number[],
    options: NodeOptions = {},
  ): Value {
    const output = this.#fresh(options.type ?? inputs[0]?.type ?? this.precision, shape);
    this.#append(operator, inputs, [output], options);
    return output;
  }

  /** Appends a node whose two outputs share one shape. */
  twin(
    operator: string,
    inputs: readonly Value[],
    shape: readonly number[],
    options: NodeOptions = {},
  ): [Value, Value] {
    const type = options.type ?? inputs[0]?.type ?? this.precision;
    const outputs: [Value, Value] = [this.#fresh(type, shape), this.#fresh(type, shape)];
    this.#append(operator, inputs, outputs, options);
    return outputs;
  }

  /** A constant tensor in the graph's precision. */
  constant(values: Float64Array, shape: readonly number[]): Value {
    const elements = this.precision === "float64" ? values : Float32Array.from(values);
    return this.#store(this.precision, shape, elements);
  }

  /** A constant that several operators share: computed and stored once under `key`. */
  table(key: string, shape: readonly number[], compute: () => Float64Array): Value {
    return this.#once(`table ${key}`, () => this.constant(compute(), shape));
  }

  /** A constant of shape [] in the graph's precision; equal scalars are stored once. */
  scalar(value: number): Value {
    return this.#once(`scalar ${value}`, () => this.constant(Float64Array.of(value), []));
  }

  /** A constant int64 vector (axes, sizes); equal vectors are stored once. */
  integers(values: readonly number[]): Value {
    const elements = () => BigInt64Array.from(values, (value) => BigInt(value));
    return this.#once(`integers ${values}`, () => this.#store("int64", [values.length], elements()));
  }

  /** Makes `value` an output of the graph, under `name`. */
  output(name: string, value: Value): void {
    if (this.#outputs.has(value.name)) {
      throw new OuterloopError(
        "graph-output-repeated",
        `value ${value.name} is an output already; copy it to name it ${name}`,
      );
    }
    this.#outputs.set(value.name, { name, value });
  }

  /** Records how gradients flow from `output` back to `inputs`; skipped where no input has a gradient. */
  differentiable(output: Value, inputs: readonly Value[], product: VectorJacobianProduct): Value {
    if (inputs.some((input) => this.#differentiable.has(input))) {
      this.#differentiable.add(output);
      this.#tape.push({ output, inputs, product });
    }
    return output;
  }

  /** Appends the backward nodes of the scalar `loss`, and returns what finds the gradient of a parameter. */
  gradients(loss: Value): (parameter: Value) => Value {
    const gradientOf = new Map<Value, Value>([[loss, this.scalar(1)]]);
    for (const { output, inputs, product } of this.#tape.toReversed()) {
      const gradient = gradientOf.get(output);
      if (gradient === undefined) continue;
      const parts = product(gradient);
      for (const [index, input] of inputs.entries()) {
        if (!this.#differentiable.has(input)) continue;
        const part = parts[index];
        if (part === undefined) {
          throw new OuterloopError(
            "gradient-missing",
            `an operator gives no gradient for its input ${index}`,
          );
        }
        const sum = gradientOf.get(input);
        gradientOf.set(input, sum === undefined ? part : this.node("Add", [sum, part], input.shape));
      }
    }
    return (parameter) => {
      const gradient = gradientOf.get(parameter);
      if (gradient !== undefined) return gradient;
      throw new OuterloopError(
        "gradient-missing",
        `the loss does not depend on parameter ${parameter.name}; use it in the graph or do not ask for its gradient`,
        { parameter: parameter.name },
      );
    };
  }

  /** The graph as a serialised ONNX model. */
  encode(): Uint8Array {
    const named = (name: string) => this.#outputs.get(name)?.name ?? name;
    return encodeModel({
      nodes: this.#nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(named),
        outputs: node.outputs.map(named),
      })),
      constants: this.#constants,
      inputs: this.#inputs,
      outputs: [...this.#outputs.values()].map(({ name, value }) => ({ ...value, name })),
    });
  }

  #append(operator: string, inputs: readonly Value[], outputs: readonly Value[], options: NodeOptions): void {
    this.#nodes.push({
      operator,
      domain: options.domain ?? "",
      inputs: inputs.map((input) => input.name),
      outputs: outputs.map((output) => output.name),
      attributes: options.attributes ?? {},
    });
  }

  #fresh(type: ElementType, shape: readonly number[]): Value {
    return { name: `t${this.#names++}`, type, shape };
  }

  #once(key: string, make: () => Value): Value {
    const known = this.#constantOf.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.#constantOf.set(key, value);
    return value;
  }

  #store(type: ElementType, shape: readonly number[], elements: ArrayBufferView): Value {
    const value = this.#fresh(type, shape);
    this.#constants.push({
      ...value,
      bytes: new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength),
    });
    return value;
  }
}
