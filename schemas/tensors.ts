/**
 * The tensors of a Llama, by name and in declared order: what the flat parameter vector is made of.
 *
 * Names, shapes ([out, in] for linear maps) and the half-split rotary layout are those of Llama checkpoints in
 * safetensors files, so that a checkpoint is a matter of cutting the vector, not of rearranging it.
 *
 * @module
 */
import type { ModelSpec, TensorSpec } from "./model.ts";

/** Name of the embedding table [vocabulary, width]; with a tied head it is the output head too. */
export const embeddingName = "model.embed_tokens.weight";
/** Name of the norm before the head. */
export const finalNormName = "model.norm.weight";
/** Name of the untied output head [vocabulary, width]. */
export const headName = "lm_head.weight";

/** Names of the tensors of one layer. */
export function layerNames(layer: number) {
  const prefix = `model.layers.${layer}`;
  return {
    attentionNorm: `${prefix}.input_layernorm.weight`,
    query: `${prefix}.self_attn.q_proj.weight`,
    key: `${prefix}.self_attn.k_proj.weight`,
    value: `${prefix}.self_attn.v_proj.weight`,
    attentionOutput: `${prefix}.self_attn.o_proj.weight`,
    feedForwardNorm: `${prefix}.post_attention_layernorm.weight`,
    gate: `${prefix}.mlp.gate_proj.weight`,
    up: `${prefix}.mlp.up_proj.weight`,
    down: `${prefix}.mlp.down_proj.weight`,
  };
}

/** Every tensor of the model in declared order: embedding, layers, final norm, head unless tied. */
export function tensorsOf(spec: ModelSpec): TensorSpec[] {
  const { vocabulary, width, feedForward } = spec;
  const keyValueWidth = (width / spec.heads) * spec.keyValueHeads;
  const tensors: TensorSpec[] = [{ name: embeddingName, shape: [vocabulary, width] }];
  for (let layer = 0; layer < spec.layers; layer++) {
    const names = layerNames(layer);
    tensors.push(
      { name: names.attentionNorm, shape: [width] },
      { name: names.query, shape: [width, width] },
      { name: names.key, shape: [keyValueWidth, width] },
      { name: names.value, shape: [keyValueWidth, width] },
      { name: names.attentionOutput, shape: [width, width] },
      { name: names.feedForwardNorm, shape: [width] },
      { name: names.gate, shape: [feedForward, width] },
      { name: names.up, shape: [feedForward, width] },
      { name: names.down, shape: [width, feedForward] },
    );
  }
  tensors.push({ name: finalNormName, shape: [width] });
  if (!spec.tiedHead) tensors.push({ name: headName, shape: [vocabulary, width] });
  return tensors;
}
