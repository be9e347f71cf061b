"""Names a booster's own documentation uses: alias -> canonical name, one table per library.

A line holds a canonical name, then aliases of it. The `_UNUSED` are known too, so that they are refused in words:
parameters of command line programs, of files, of prediction and of texts.
"""

from __future__ import annotations

from collections.abc import Mapping


def table(lines: str, unused: tuple[str, ...]) -> Mapping[str, str]:
    """Return alias -> canonical name, every canonical name to itself included; lines as above."""
    named = {name: each[0] for line in lines.strip().splitlines() if (each := line.split()) for name in each}
    return named | {name: name for name in unused}


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


LIGHTGBM_UNUSED = words("""
auc_mu_weights config convert_model convert_model_language data first_metric_only forcedbins_filename
forcedsplits_filename gpu_device_id_list header ignore_column input_model is_provide_training_metric label_column
lambdarank_position_bias_regularization local_listen_port machine_list_filename machines metric_freq multi_error_top_k
num_gpu num_iteration_predict num_machines output_model output_result parser_config_file pre_partition
precise_float_parser pred_early_stop pred_early_stop_freq pred_early_stop_margin predict_contrib
predict_disable_shape_check predict_leaf_index predict_raw_score refit_decay_rate save_binary
saved_feature_importance_type snapshot_freq start_iteration_predict task time_out top_k tree_learner two_round valid
weight_column
""")

LIGHTGBM = table(
    """
alpha
bagging_by_query
bagging_fraction bagging sub_row subsample
bagging_freq subsample_freq
bagging_seed bagging_fraction_seed
bin_construct_sample_cnt subsample_for_bin
boost_from_average
boosting boost boosting_type
cat_l2
cat_smooth
categorical_feature cat_column cat_feature categorical_column categorical_features
cegb_penalty_feature_coupled
cegb_penalty_feature_lazy
cegb_penalty_split
cegb_tradeoff
data_random_seed data_seed
data_sample_strategy
deterministic
device_type device
drop_rate rate_drop
drop_seed
early_stopping_min_delta
early_stopping_round early_stopping n_iter_no_change early_stopping_rounds
enable_bundle bundle is_enable_bundle
eval_at ndcg_eval_at ndcg_at map_eval_at map_at
extra_seed
extra_trees extra_tree
fair_c
feature_contri fc fp feature_contrib feature_penalty
feature_fraction sub_feature colsample_bytree
feature_fraction_bynode colsample_bynode sub_feature_bynode
feature_fraction_seed
feature_pre_filter
force_col_wise
force_row_wise
gpu_device_id
gpu_platform_id
gpu_use_dp
group_column group group_id query_column query query_id
histogram_pool_size hist_pool_size
interaction_constraints
is_enable_sparse sparse is_sparse enable_sparse
is_unbalance unbalance unbalanced_sets
label_gain
lambdarank_norm
lambdarank_truncation_level
lambda_l1 reg_alpha l1_regularization
lambda_l2 lambda reg_lambda l2_regularization
learning_rate eta shrinkage_rate
linear_lambda
linear_tree linear_trees
max_bin max_bins
max_bin_by_feature
max_cat_threshold
max_cat_to_onehot
max_delta_step max_leaf_output max_tree_output
max_depth
max_drop
metric metrics metric_types
min_data_in_bin
min_data_in_leaf min_data min_samples_leaf min_child_samples min_data_per_leaf
min_data_per_group
min_gain_to_split min_split_gain
min_sum_hessian_in_leaf min_hessian min_sum_hessian min_child_weight min_sum_hessian_per_leaf
monotone_constraints mc monotonic_cst monotone_constraint
monotone_constraints_method mc_method monotone_constraining_method
monotone_penalty mc_penalty ms_penalty monotone_splits_penalty
neg_bagging_fraction neg_bagging neg_sub_row neg_subsample
num_class num_classes
num_grad_quant_bins
num_iterations n_iter nrounds max_iter num_tree num_round num_trees num_rounds n_estimators num_iteration
num_iterations num_boost_round
num_leaves max_leaf num_leaf max_leaves max_leaf_nodes
num_threads n_jobs nthread nthreads num_thread
objective app loss application objective_type
objective_seed
other_rate
path_smooth
poisson_max_delta_step
pos_bagging_fraction pos_bagging pos_sub_row pos_subsample
quant_train_renew_leaf
reg_sqrt
scale_pos_weight
seed random_seed random_state
sigmoid
skip_drop
stochastic_rounding
top_rate
tweedie_variance_power
uniform_drop
use_missing
use_quantized_grad
verbosity verbose
xgboost_dart_mode
zero_as_missing
""",
    LIGHTGBM_UNUSED,
)
"""Source: LightGBM 4.7, docs/Parameters."""

XGBOOST_UNUSED = words("callbacks feature_weights importance_type kwargs")

XGBOOST = table(
    """
alpha reg_alpha
aft_loss_distribution
base_score
booster
colsample_bylevel
colsample_bynode
colsample_bytree
device
disable_default_eval_metric
early_stopping_rounds
enable_categorical
eta learning_rate
eval_metric
feature_types
gamma min_split_loss
grow_policy
huber_slope
interaction_constraints
lambda reg_lambda
lambdarank_bias_norm
lambdarank_normalization
lambdarank_num_pair_per_sample
lambdarank_pair_method
lambdarank_score_normalization
lambdarank_unbiased
max_bin
max_cached_hist_node
max_cat_threshold
max_cat_to_onehot
max_delta_step
max_depth
max_leaves
min_child_weight
missing
monotone_constraints
multi_strategy
ndcg_exp_gain
normalize_type
nthread n_jobs
num_boost_round n_estimators num_round
num_class
num_parallel_tree
objective
one_drop
quantile_alpha
rate_drop
refresh_leaf
sample_type
sampling_method
scale_pos_weight
seed random_state
seed_per_iteration
skip_drop
subsample
tree_method
tweedie_variance_power
validate_parameters
verbosity silent
""",
    XGBOOST_UNUSED,
)
"""Source: XGBoost 3.2, doc/parameter and the scikit-learn wrapper's names."""

LIGHTGBM_FROZEN = (
    *("max_bin_by_feature", "min_data_in_bin", "bin_construct_sample_cnt", "enable_bundle", "use_missing"),
    *("zero_as_missing", "linear_tree", "is_enable_sparse"),
)
"""Parameters of LightGBM that shape its binned data, and so must stay while the data are reused."""
