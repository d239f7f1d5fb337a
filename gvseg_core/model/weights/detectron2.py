"""Weights of the original Mask2Former and of its descendants on detectron2.

Mask2Former, Mask2Former-VIS, MinVIS and CTVIS have the same names; DVIS, DVIS++ and DVIS-DAQ keep their segmenter
under them and add a tracker and a refiner, which are left out by name: association is gvseg's own.

Source: facebookresearch/Mask2Former (MIT), `mask2former/modeling/**`; names only. Version-1 files of that repository
say `static_query` for `query_feat` and have no `pixel_decoder.` in the pixel decoder's names; which they are is told
by the names, as files carry no version.
"""

from __future__ import annotations

from gvseg_core.config import InputSettings
from gvseg_core.model.weights.checkpoint import UNNAMED, Checkpoint, hash_tensors
from gvseg_core.model.weights.containers import Container
from gvseg_core.model.weights.detectron2_config import Config, find_config
from gvseg_core.model.weights.layouts import DERIVED, DETECTRON2_RESNET, SWIN, Layout, to_ours, under
from gvseg_core.model.weights.renaming import table
from gvseg_core.model.weights.shapes import check_claims, settings_of

PIXEL_DECODER = """
    input_proj.{i}.{k}.{wb}                                          input_proj.{i}.{k}.{wb}
    transformer.level_embed                                          level_embed
    transformer.encoder.layers.{l}.self_attn.sampling_offsets.{wb}   layers.{l}.self_attn.sampling_offsets.{wb}
    transformer.encoder.layers.{l}.self_attn.attention_weights.{wb}  layers.{l}.self_attn.attention_weights.{wb}
    transformer.encoder.layers.{l}.self_attn.value_proj.{wb}         layers.{l}.self_attn.value_proj.{wb}
    transformer.encoder.layers.{l}.self_attn.output_proj.{wb}        layers.{l}.self_attn.output_proj.{wb}
    transformer.encoder.layers.{l}.norm{k}.{wb}                      layers.{l}.norm{k}.{wb}
    transformer.encoder.layers.{l}.linear{k}.{wb}                    layers.{l}.linear{k}.{wb}
    adapter_1.weight                                                 lateral.0.weight
    adapter_1.norm.{wb}                                              lateral.1.{wb}
    layer_1.weight                                                   output.0.weight
    layer_1.norm.{wb}                                                output.1.{wb}
    mask_features.{wb}                                               mask_features.{wb}
"""

PREDICTOR = """
    query_feat.weight                                                queries.learned.content
    static_query.weight                                              queries.learned.content
    query_embed.weight                                               queries.learned.position
    level_embed.weight                                               decoder.level_embed
    input_proj.{i}.{wb}                                          decoder.input_proj.{i}.{wb}
    transformer_cross_attention_layers.{l}.multihead_attn.in_proj_{wb} decoder.layers.{l}.cross_attn.in_proj_{wb}
    transformer_cross_attention_layers.{l}.multihead_attn.out_proj.{wb} decoder.layers.{l}.cross_attn.out_proj.{wb}
    transformer_cross_attention_layers.{l}.norm.{wb}             decoder.layers.{l}.cross_norm.{wb}
    transformer_self_attention_layers.{l}.self_attn.in_proj_{wb}  decoder.layers.{l}.self_attn.in_proj_{wb}
    transformer_self_attention_layers.{l}.self_attn.out_proj.{wb} decoder.layers.{l}.self_attn.out_proj.{wb}
    transformer_self_attention_layers.{l}.norm.{wb}              decoder.layers.{l}.self_norm.{wb}
    transformer_ffn_layers.{l}.linear{k}.{wb}                  decoder.layers.{l}.linear{k}.{wb}
    transformer_ffn_layers.{l}.norm.{wb}                         decoder.layers.{l}.ffn_norm.{wb}
    decoder_norm.{wb}                                              decoder.norm.{wb}
    mask_embed.layers.{k}.{wb}                                   decoder.mask_embed.{k}.{wb}
"""

LAYOUT = Layout(
    name="detectron2",
    mark="sem_seg_head.",
    rules=(
        *under("backbone.", DETECTRON2_RESNET),
        *under("backbone.", SWIN),
        *table(PIXEL_DECODER, theirs="sem_seg_head.pixel_decoder.", ours="pixel_decoder."),
        *table(PIXEL_DECODER, theirs="sem_seg_head.", ours="pixel_decoder."),  # version 1
        *table(PREDICTOR, theirs="sem_seg_head.predictor."),
        *table(f"sem_seg_head.predictor.class_embed.{{wb}} class_heads.{UNNAMED}.{{wb}}"),
    ),
    derived=(*DERIVED, r"^criterion\.", r"^pixel_(mean|std)$"),
    left_out=(
        (r"(offline_)?tracker\.", "the tracker (DVIS)"),
        (r"refiner\.", "the temporal refiner (DVIS)"),
        (r"sem_seg_head\.predictor\.reid_embed\.", "the re-identification head (CTVIS, DVIS++)"),
        (r"cl_plugin\.", "the contrastive training plug-in (CTVIS)"),
        (r"(vita|genvis)_module\.", "the clip decoder (VITA, GenVIS)"),
    ),
)


def read(container: Container, *, allow_partial: bool = False) -> Checkpoint:
    """A checkpoint from detectron2 names; what no shape tells is taken from a `config.yaml` beside the file.

    Raises:
        ModelError: tensors that do not belong, sizes that need a `config.yaml`, or settings gvseg cannot run.
    """
    path = container.path
    state, notes = to_ours(container.tensors, LAYOUT, path, allow_partial=allow_partial)
    found = find_config(path)
    config = found if found is not None else Config({}, path)
    config.check_supported()
    settings = settings_of(state, str(path), num_heads=config.num_heads, clip_length=config.clip_length)
    if found is not None:
        check_claims(settings, config.claims(), str(path), found.path.name)
    author = container.extras.get("__author__")
    return Checkpoint(
        settings=settings,
        input=config.input_settings() if found is not None else InputSettings(),
        state=state,
        format="detectron2",
        sha256=hash_tensors(state),
        tasks=config.tasks,
        hints=(path.stem, path.parent.name, *config.datasets),
        notes=notes,
        provenance={"author": author} if isinstance(author, str) else {},
    )
