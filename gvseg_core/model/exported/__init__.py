"""Networks as graphs that run without this package: what goes in, what comes out, and who runs them here.

One graph is the whole path of one clip, from pixels to what each query says. What is outside of it is shared with every
other network: pictures are prepared by `ops.resize`, decisions taken by the task, objects named by its tracker. Nothing
is kept in the graph from clip to clip; what has to be remembered goes in and comes out.

| in        | shape       |                                                                           |
|-----------|-------------|---------------------------------------------------------------------------|
| `pixels`  | T, 3, H, W  | normalised; padded with 0 at the right and bottom                         |
| `picture` | 2           | int64: height and width of the picture inside the padding                 |
| `regions` | N, H/8, W/8 | shares of cells in what was just pointed at, their sum 1; 0: known before |
| `pooled`  | N, C        | `pooled_next` of the clip before; of no matter where there is a region    |
| `places`  | N, 2        | x, y in cells of stride 8 where each was last seen; NaN: not known        |

| out               | shape           |                                                                       |
|-------------------|-----------------|-----------------------------------------------------------------------|
| `class_logits`    | Q, K + 1        | the last is "no object"                                               |
| `embeddings`      | Q, C            | what queries of different clips are compared by                       |
| `mask_embeddings` | Q, Cm           | mask logits at stride 4 are their products with                       |
| `mask_features`   | T, Cm, H/4, W/4 | these                                                                 |
| `descriptors`     | Q, T, D         | shape and position; where that is learnt, what they add to embeddings |
| `pooled_next`     | N, C            | mean features under each exemplar                                     |
| `features`        | C, H/8, W/8     | of the last frame: to refresh `pooled` under a mask that is sure      |

Q is N where each object that was pointed at has its query (`regions`, `pooled`, `places`, `pooled_next` and `features`
are there then, `descriptors` are not). A network with learnt queries gives one graph for all four tasks; of one whose
tasks have queries of their own, each graph is for one of them. T may be less than the clip's length, H and W are fixed
or any multiple of 32, as `Contract` says.
"""
