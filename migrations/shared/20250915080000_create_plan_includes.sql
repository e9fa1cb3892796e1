-- "May they use it?" for the application and for tenant views.
CREATE FUNCTION shared.plan_includes(plan_id smallint, feature_code text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT
        FROM shared.plan_features AS included
        JOIN shared.features AS feature ON feature.id = included.feature_id
        WHERE included.plan_id = $1 AND feature.code = $2
    );
$$;
